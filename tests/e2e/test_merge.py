"""Keys of ours in a Secret of somebody else: ours come and go, theirs stay."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.acts import foreign_secret, patch, ready, wait_reason
from tests.e2e.audit import AuditLog
from tests.e2e.operator import Operator
from tests.e2e.table import REALISED, becomes, needs_person, settles
from tests.e2e.tenant import Body, Tenant, eventually
from vaultferry.core.consent import ALLOW
from vaultferry.core.merge import PREFIX

pytestmark = pytest.mark.usefixtures("operator")

MERGES = {ALLOW: "merge"}
WITHDRAWN = {"metadata": {"annotations": {ALLOW: None}}}
THEIRS = {"password": "not ours"}


def merging(tenant: Tenant, name: str, **values: str) -> Body:
    """Return the manifest of a VaultSecret that merges into the Secret `shared`."""
    target = {"name": "shared", "creationPolicy": "Merge"}
    return tenant.manifest(name, tenant.seal(name, **values), target=target)


def shared(tenant: Tenant, **metadata: Any) -> None:
    """Make a Secret of somebody else that consents."""
    foreign_secret(tenant, "shared", **({"annotations": MERGES} | metadata))


def edit(tenant: Tenant, **data: str | None) -> None:
    """Edit values by hand; None takes a key away."""
    gone = {key: None for key, value in data.items() if value is None}
    values = {key: value for key, value in data.items() if value is not None}
    patch(tenant, "secret", "shared", {"stringData": values, "data": gone})


def holds(tenant: Tenant, **data: str) -> None:
    """Wait until the shared Secret has exactly these values."""
    eventually(lambda: tenant.data("shared") == data)


def apply_secret(tenant: Tenant, *flags: str, **data: str) -> None:
    """Apply the shared Secret with these values, as its owner does."""
    encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
    apply_shared(tenant, {"data": encoded}, *flags)


def apply_shared(tenant: Tenant, content: Body, *flags: str) -> None:
    metadata = {"name": "shared", "annotations": MERGES}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    text = json.dumps(manifest | content)
    tenant.kubectl("apply", *flags, "--filename=-", stdin=text)


def test_keys_come_change_and_go_beside_those_of_others(tenant: Tenant) -> None:
    shared(tenant)

    ready(tenant, merging(tenant, "one", a="1", b="2"))
    ready(tenant, merging(tenant, "two", c="3"))
    holds(tenant, **THEIRS, a="1", b="2", c="3")
    tenant.apply(merging(tenant, "one", a="new", d="4"))
    holds(tenant, **THEIRS, a="new", c="3", d="4")
    tenant.kubectl("delete", "vaultsecret", "one")
    holds(tenant, **THEIRS, c="3")
    tenant.kubectl("delete", "vaultsecret", "two")
    holds(tenant, **THEIRS)

    assert tenant.get("secret", "shared")["metadata"]["annotations"] == MERGES
    full = ("secret", "shared", "--show-managed-fields", "-o", "json")
    managed = json.loads(tenant.kubectl("get", *full))["metadata"]["managedFields"]
    managers = [entry["manager"] for entry in managed]
    assert not any(manager.startswith("vaultferry") for manager in managers)
    assert managers


def test_the_resource_has_no_finalizer_and_a_namespace_goes(tenant: Tenant) -> None:
    shared(tenant)
    made = ready(tenant, merging(tenant, "one", a="1"))

    tenant.kubectl("delete", "namespace", tenant.namespace, "--timeout=60s")

    assert "finalizers" not in made["metadata"]
    tenant.kubectl("create", "namespace", tenant.namespace)


@pytest.mark.parametrize("flags", [(), ("--server-side",)], ids=["client", "server"])
def test_its_owner_goes_on_applying_a_shared_secret(
    flags: tuple[str, ...], tenant: Tenant
) -> None:
    apply_secret(tenant, *flags, theirs="1", old="2")
    ready(tenant, merging(tenant, "one", a="1"))

    apply_secret(tenant, *flags, theirs="3")

    holds(tenant, theirs="3", a="1")
    becomes(tenant, "one", REALISED)
    settles(tenant, "one", ready=True)


@pytest.mark.parametrize("value", ["1", "2"], ids=["equal", "another"])
def test_a_key_that_is_there_is_not_touched_and_not_shared(
    value: str, tenant: Tenant
) -> None:
    shared(tenant)
    edit(tenant, a=value)

    tenant.apply(merging(tenant, "one", a="1", b="2"))

    becomes(tenant, "one", needs_person("Conflict"))
    settles(tenant, "one", ready=False)
    holds(tenant, **THEIRS, a=value)
    edit(tenant, a=None)
    becomes(tenant, "one", REALISED)
    holds(tenant, **THEIRS, a="1", b="2")


def test_of_two_with_the_same_key_the_later_waits(tenant: Tenant) -> None:
    shared(tenant)
    ready(tenant, merging(tenant, "one", a="of one"))

    tenant.apply(merging(tenant, "two", a="of two", b="2"))
    becomes(tenant, "two", needs_person("Conflict"))
    settles(tenant, "one", ready=True)
    tenant.kubectl("delete", "vaultsecret", "one")

    becomes(tenant, "two", REALISED)
    holds(tenant, **THEIRS, a="of two", b="2")


def test_a_key_of_ours_that_is_taken_out_is_put_back(tenant: Tenant) -> None:
    shared(tenant)
    ready(tenant, merging(tenant, "one", a="1"))

    edit(tenant, a=None)

    holds(tenant, **THEIRS, a="1")
    becomes(tenant, "one", REALISED)


def by_hand(tenant: Tenant) -> None:
    edit(tenant, a="theirs")


def by_force(tenant: Tenant) -> None:
    flags = ("--server-side", "--force-conflicts", "--field-manager=another")
    apply_secret(tenant, *flags, a="theirs")


@pytest.mark.parametrize("take", [by_hand, by_force], ids=["by hand", "by force"])
def test_a_key_of_ours_that_somebody_sets_is_theirs_for_good(
    take: Any, tenant: Tenant
) -> None:
    shared(tenant)
    ready(tenant, merging(tenant, "one", a="1", b="2"))

    take(tenant)
    becomes(tenant, "one", needs_person("Conflict"))
    tenant.apply(merging(tenant, "one", a="new", b="new"))
    becomes(tenant, "one", needs_person("Conflict"))
    settles(tenant, "one", ready=False)

    holds(tenant, **THEIRS, a="theirs", b="2")
    tenant.kubectl("delete", "vaultsecret", "one")
    holds(tenant, **THEIRS, a="theirs")


def test_what_is_applied_as_string_data_is_undone(tenant: Tenant) -> None:
    shared(tenant)
    ready(tenant, merging(tenant, "one", a="1"))

    # The API server does not note that this sets the key `a`.
    flags = ("--server-side", "--force-conflicts", "--field-manager=another")
    apply_shared(tenant, {"stringData": {"a": "theirs"}}, *flags)

    holds(tenant, **THEIRS, a="1")
    becomes(tenant, "one", REALISED)


def test_an_equal_value_that_another_applies_is_shared_and_stays(
    tenant: Tenant,
) -> None:
    shared(tenant)
    ready(tenant, merging(tenant, "one", a="1"))

    apply_secret(tenant, "--server-side", "--field-manager=another", a="1")
    settles(tenant, "one", ready=True)
    tenant.apply(merging(tenant, "one", a="new"))
    becomes(tenant, "one", needs_person("Conflict"))
    tenant.kubectl("delete", "vaultsecret", "one")

    eventually(lambda: records(tenant) == [])
    holds(tenant, **THEIRS, a="1")


def test_a_record_that_another_applies_too_is_taken_away(tenant: Tenant) -> None:
    shared(tenant)
    ready(tenant, merging(tenant, "one", a="1"))
    notes = tenant.get("secret", "shared")["metadata"]["annotations"]
    metadata = {"name": "shared", "annotations": notes}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    flags = ("--server-side", "--field-manager=another", "--filename=-")
    tenant.kubectl("apply", *flags, stdin=json.dumps(manifest))

    tenant.kubectl("delete", "vaultsecret", "one")

    eventually(lambda: records(tenant) == [])
    holds(tenant, **THEIRS)


def records(tenant: Tenant) -> list[str]:
    notes = tenant.get("secret", "shared")["metadata"].get("annotations") or {}
    return [note for note in notes if note.startswith(PREFIX)]


def test_without_consent_nothing_is_written_and_our_keys_go_all_the_same(
    tenant: Tenant,
) -> None:
    shared(tenant, annotations={ALLOW: "merge=other, adopt"})
    tenant.apply(merging(tenant, "one", a="1"))
    becomes(tenant, "one", needs_person("NotAllowed"))
    holds(tenant, **THEIRS)

    patch(tenant, "secret", "shared", {"metadata": {"annotations": MERGES}})
    becomes(tenant, "one", REALISED)
    patch(tenant, "secret", "shared", WITHDRAWN)
    becomes(tenant, "one", needs_person("NotAllowed"))
    tenant.apply(merging(tenant, "one", a="2"))
    becomes(tenant, "one", needs_person("NotAllowed"))
    settles(tenant, "one", ready=False)
    holds(tenant, **THEIRS, a="1")

    tenant.kubectl("delete", "vaultsecret", "one")
    holds(tenant, **THEIRS)


def test_a_secret_that_is_absent_is_waited_for(tenant: Tenant) -> None:
    tenant.apply(merging(tenant, "one", a="1"))
    becomes(tenant, "one", needs_person("TargetMissing"))
    settles(tenant, "one", ready=False)
    assert not tenant.exists("secret", "shared")

    shared(tenant)
    becomes(tenant, "one", REALISED)
    tenant.kubectl("delete", "secret", "shared")
    becomes(tenant, "one", needs_person("TargetMissing"))
    assert not tenant.exists("secret", "shared")


def test_an_immutable_secret_has_a_reason_of_its_own(tenant: Tenant) -> None:
    shared(tenant)
    patch(tenant, "secret", "shared", {"immutable": True})

    tenant.apply(merging(tenant, "one", a="1"))

    becomes(tenant, "one", needs_person("SecretImmutable"))
    holds(tenant, **THEIRS)


@pytest.mark.parametrize(
    "kind", ["bootstrap.kubernetes.io/token", "kubernetes.io/service-account-token"]
)
def test_a_type_with_a_power_of_its_own_is_refused(kind: str, tenant: Tenant) -> None:
    account = {"kubernetes.io/service-account.name": "default"}
    eventually(lambda: tenant.exists("serviceaccount", "default"))
    place = {"name": "shared", "namespace": tenant.namespace}
    metadata = {**place, "annotations": MERGES | account}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    tenant.plane.create(manifest | {"type": kind})

    tenant.apply(merging(tenant, "one", a="1"))

    becomes(tenant, "one", needs_person("NotAllowed"))
    assert "a" not in tenant.data("shared")


def test_a_secret_that_another_resource_makes_is_not_merged_into(
    tenant: Tenant,
) -> None:
    tenant.synced("shared", v="1")
    patch(tenant, "secret", "shared", {"metadata": {"annotations": MERGES}})

    tenant.apply(merging(tenant, "one", a="1"))

    becomes(tenant, "one", needs_person("Conflict"))
    settles(tenant, "shared", ready=True)
    holds(tenant, v="1")


@contextmanager
def held(tenant: Tenant) -> Iterator[None]:
    """Have the shared Secret hang in its deletion meanwhile."""
    tenant.kubectl("delete", "secret", "shared", "--wait=false")
    yield
    patch(tenant, "secret", "shared", {"metadata": {"finalizers": None}})


def test_a_secret_that_is_being_deleted_is_left(tenant: Tenant) -> None:
    shared(tenant, finalizers=["example.com/held"])
    ready(tenant, merging(tenant, "one", a="1"))
    tenant.synced("other", v="1")

    with held(tenant):
        tenant.apply(merging(tenant, "one", a="2"))
        settles(tenant, "other", ready=True)
        tenant.kubectl("delete", "vaultsecret", "one")
        settles(tenant, "other", ready=True)
        holds(tenant, **THEIRS, a="1")


def test_the_version_goes_on_counting_from_the_record(
    tenant: Tenant, operator: Operator
) -> None:
    shared(tenant)
    ready(tenant, merging(tenant, "one", a="1"))
    tenant.apply(merging(tenant, "one", a="2"))
    holds(tenant, **THEIRS, a="2")

    with operator.stopped():
        tenant.kubectl("delete", "vaultsecret", "one")
        tenant.apply(merging(tenant, "one", a="2"))

    assert becomes(tenant, "one", REALISED)["status"]["version"] == 2


def test_a_change_is_two_writes_and_rest_and_restart_are_none(
    tenant: Tenant, audit: AuditLog, operator: Operator
) -> None:
    shared(tenant)
    since = audit.now()
    ready(tenant, merging(tenant, "one", a="1"))
    written = ["get secrets", "patch secrets", "update vaultsecrets/status"]
    assert audit.calls(since, tenant.namespace) == written

    since = audit.now()
    ready(tenant, merging(tenant, "two", b="2"))
    calls = audit.calls(since, tenant.namespace)
    # One of them is that of the other, which looks whether its keys are as they were.
    assert sorted(calls) == sorted([*written, "get secrets"])

    since = audit.now()
    edit(tenant, password="by hand")
    eventually(lambda: len(audit.calls(since, tenant.namespace)) == 2)
    assert audit.calls(since, tenant.namespace) == ["get secrets"] * 2

    since = audit.now()
    with operator.stopped():
        pass
    assert set(audit.calls(since, tenant.namespace)) <= {"get secrets"}
    wait_reason(tenant, "one", "Synced")
