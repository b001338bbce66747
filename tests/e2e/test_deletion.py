"""What becomes of the Secret when it, its VaultSecret or its namespace goes."""

import json
from contextlib import nullcontext
from typing import Any

import pytest

from tests.controlplane import ControlPlaneError
from tests.e2e.acts import (
    create_many,
    foreign_secret,
    fresh,
    identity,
    patch,
    patch_spec,
    ready,
    refusal,
    stalled,
    wait_reason,
)
from tests.e2e.audit import AuditLog
from tests.e2e.operator import Operator
from tests.e2e.tenant import Body, Tenant, eventually

STATUS = "update vaultsecrets/status"
OWNER = "vaultferry.dev/owner"
LATE = {"get vaultsecrets", "get vaultsecrets 404", "update vaultsecrets/status 404"}


@pytest.fixture(params=["up", "down"])
def operator_up_or_down(request: pytest.FixtureRequest, operator: Operator) -> object:
    """Leave the operator as it is, or have it stopped meanwhile."""
    return nullcontext() if request.param == "up" else operator.stopped()


def owners(tenant: Tenant, name: str) -> list[Body]:
    found: list[Body] = tenant.get("secret", name)["metadata"].get(
        "ownerReferences", []
    )
    return found


def gone(tenant: Tenant, kind: str, name: str, seconds: float = 20) -> float:
    return eventually(lambda: not tenant.exists(kind, name), seconds)


@pytest.mark.usefixtures("operator")
def test_a_secret_edited_by_hand_is_right_again_within_two_seconds(
    tenant: Tenant,
) -> None:
    tenant.synced("db", password="hunter2")

    patch(tenant, "secret", "db", {"stringData": {"password": "by hand"}})

    took = eventually(lambda: tenant.data("db") == {"password": "hunter2"}, seconds=2)
    print(f"edited Secret right again, as kubectl sees it, after {took:.2f} s")


@pytest.mark.usefixtures("operator")
def test_a_secret_deleted_by_hand_is_back_within_two_seconds(
    tenant: Tenant, audit: AuditLog
) -> None:
    tenant.synced("db", password="hunter2")
    since = audit.now()

    tenant.kubectl("delete", "secret", "db")

    took = eventually(lambda: tenant.exists("secret", "db"), seconds=2)
    print(f"deleted Secret back, as kubectl sees it, after {took:.2f} s")
    assert tenant.data("db") == {"password": "hunter2"}
    calls = audit.calls(since, tenant.namespace)
    assert calls == ["get vaultsecrets", "create secrets", STATUS]
    assert tenant.get("vaultsecret", "db")["status"]["version"] == 1


def test_a_secret_deleted_while_the_operator_is_down_is_back_after_its_start(
    tenant: Tenant, operator: Operator
) -> None:
    tenant.synced("db", password="hunter2")

    with operator.stopped():
        tenant.kubectl("delete", "secret", "db")

    eventually(lambda: tenant.exists("secret", "db"))
    assert tenant.data("db") == {"password": "hunter2"}


def test_a_secret_edited_while_the_operator_is_down_is_repaired_after_its_start(
    tenant: Tenant, operator: Operator
) -> None:
    tenant.synced("db", password="hunter2")

    with operator.stopped():
        patch(tenant, "secret", "db", {"stringData": {"password": "by hand"}})

    eventually(lambda: tenant.data("db") == {"password": "hunter2"})


@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_a_deleted_vaultsecret_takes_its_secret_along(
    cascade: str, tenant: Tenant, audit: AuditLog, operator_up_or_down: Any
) -> None:
    tenant.synced("db", password="hunter2")
    since = audit.now()

    with operator_up_or_down:
        tenant.kubectl("delete", "vaultsecret", "db", f"--cascade={cascade}")
        took = gone(tenant, "secret", "db")

    print(f"Secret gone {took:.2f} s after its VaultSecret")
    writes = {c for c in audit.calls(since, tenant.namespace) if "get" not in c}
    assert writes == set()
    assert not tenant.exists("secret", "db")


def test_a_vaultsecret_deleted_with_orphan_leaves_its_secret(
    tenant: Tenant, audit: AuditLog, operator_up_or_down: Any
) -> None:
    tenant.synced("db", password="hunter2")
    since = audit.now()

    with operator_up_or_down:
        tenant.kubectl("delete", "vaultsecret", "db", "--cascade=orphan")

    writes = {c for c in audit.calls(since, tenant.namespace) if "get" not in c}
    assert writes == set()
    assert tenant.data("db") == {"password": "hunter2"}
    assert owners(tenant, "db") == []


# Garbage collection often acts on a Secret before the operator hears of the deletion.
@pytest.mark.parametrize("cascade", ["orphan", "background", "foreground"])
@pytest.mark.usefixtures("operator")
def test_many_vaultsecrets_deleted_at_once_have_nothing_written(
    cascade: str, tenant: Tenant, audit: AuditLog
) -> None:
    names = [f"db-{number}" for number in range(20)]
    sealed = [tenant.seal(name, password="hunter2") for name in names]
    create_many(tenant, list(map(tenant.manifest, names, sealed)))
    since = audit.now()

    every = "vaultsecrets.vaultferry.dev"
    tenant.kubectl("delete", every, "--all", f"--cascade={cascade}")

    # A status that comes too late finds nothing.
    calls = set(audit.calls(since, tenant.namespace))
    assert calls <= {"get secrets", "get secrets 404", *LATE}
    left = tenant.kubectl("get", "secrets", "-o", "name").split()
    assert len(left) == (len(names) if cascade == "orphan" else 0)


@pytest.mark.usefixtures("operator")
def test_an_orphan_stays_and_the_same_manifest_takes_it_back(
    tenant: Tenant, audit: AuditLog
) -> None:
    sealed = tenant.seal("db", password="hunter2")
    tenant.synced("db", password="the first")
    target = {"creationPolicy": "Orphan"}
    manifest = tenant.manifest("db", sealed, target=target)
    assert ready(tenant, manifest)["status"]["version"] == 2
    tenant.kubectl("delete", "vaultsecret", "db")
    before = identity(tenant, "secret", "db")
    since = audit.now()

    back = ready(tenant, manifest)

    assert audit.calls(since, tenant.namespace) == ["get secrets", STATUS]
    assert identity(tenant, "secret", "db") == before
    assert back["status"]["version"] == 2
    again = tenant.seal("db", password="correct horse")
    changed = ready(tenant, tenant.manifest("db", again, target=target))
    assert changed["status"]["version"] == 3


@pytest.mark.usefixtures("operator")
def test_an_orphan_outlives_its_vaultsecret_and_is_not_repaired_any_more(
    tenant: Tenant, audit: AuditLog
) -> None:
    sealed = tenant.seal("db", password="hunter2")
    target = {"creationPolicy": "Orphan"}
    ready(tenant, tenant.manifest("db", sealed, target=target))
    tenant.kubectl("delete", "vaultsecret", "db")
    since = audit.now()

    patch(tenant, "secret", "db", {"stringData": {"password": "by hand"}})

    assert audit.calls(since, tenant.namespace) == []
    assert tenant.data("db") == {"password": "by hand"}


@pytest.mark.usefixtures("operator")
def test_a_change_of_policy_moves_only_the_owner_reference(tenant: Tenant) -> None:
    sealed = tenant.seal("db", password="hunter2")

    def secret_under(policy: str) -> tuple[Body, list[Body]]:
        target = {"creationPolicy": policy}
        ready(tenant, tenant.manifest("db", sealed, target=target))
        body = tenant.get("secret", "db")
        body["metadata"].pop("resourceVersion")
        return body, body["metadata"].pop("ownerReferences", [])

    owned, reference = secret_under("Owner")
    orphan, none = secret_under("Orphan")
    again, same = secret_under("Owner")

    assert owned == orphan == again
    assert (none, same) == ([], reference)
    assert reference[0]["kind"] == "VaultSecret"


@pytest.mark.usefixtures("operator")
def test_no_object_has_a_finalizer(tenant: Tenant) -> None:
    tenant.synced("db", password="hunter2")
    foreign_secret(tenant, "taken")
    tenant.apply(tenant.manifest("taken", tenant.seal("taken", password="x")))
    stalled(tenant, "taken")
    eventually(lambda: "Conflict" in tenant.kubectl("get", "events"))

    kinds = "vaultsecrets.vaultferry.dev,secrets,events,configmaps,serviceaccounts"
    listed = json.loads(tenant.kubectl("get", kinds, "-o", "json"))["items"]

    assert {each["kind"] for each in listed} >= {"VaultSecret", "Secret", "Event"}
    assert [each for each in listed if "finalizers" in each["metadata"]] == []
    namespace = tenant.get("namespace", tenant.namespace)
    assert "finalizers" not in namespace["metadata"]


def test_a_namespace_can_always_be_deleted(
    tenant: Tenant, audit: AuditLog, operator_up_or_down: Any
) -> None:
    with fresh(tenant.plane, tenant.keyring) as going:
        for number in range(5):
            going.synced(f"db-{number}", password="hunter2")
        since = audit.now()

        with operator_up_or_down:
            tenant.plane.kubectl("delete", "namespace", going.namespace, "--wait=false")
            took = gone(tenant, "namespace", going.namespace)

        print(f"namespace of 5 VaultSecrets gone after {took:.2f} s")
        created = [c for c in audit.calls(since, going.namespace) if "create" in c]
        # On its way when the VaultSecret went, and refused: the namespace ends.
        assert [c for c in created if not c.endswith(("403", "404"))] == []


def test_a_vaultsecret_deleted_and_made_again_at_once_has_its_secret(
    tenant: Tenant, operator_up_or_down: Any
) -> None:
    manifest = tenant.manifest("db", tenant.seal("db", password="hunter2"))
    old = ready(tenant, manifest)

    with operator_up_or_down:
        tenant.kubectl("delete", "vaultsecret", "db")
        tenant.apply(manifest)

    new = ready(tenant, manifest)["metadata"]["uid"]
    assert new != old["metadata"]["uid"]

    def is_owned() -> bool:
        found = tenant.exists("secret", "db") and owners(tenant, "db")
        return [ref["uid"] for ref in found or []] == [new]

    # Garbage collection may still be about to take the old one's Secret.
    eventually(is_owned)
    eventually(lambda: not refuses_to_stay(tenant, "db"))
    assert is_owned()
    assert tenant.data("db") == {"password": "hunter2"}


def refuses_to_stay(tenant: Tenant, name: str) -> bool:
    """Tell whether a Secret goes away within a second."""
    flags = ("--for=delete", "--timeout=1s")
    try:
        tenant.kubectl("wait", f"secret/{name}", *flags)
    except ControlPlaneError as error:
        return "timed out" not in str(error)
    return True


@pytest.mark.usefixtures("operator")
def test_a_secret_that_is_not_ours_is_left_alone_and_its_name_taken_when_it_goes(
    tenant: Tenant, audit: AuditLog
) -> None:
    foreign_secret(tenant, "db", labels={"their": "label"})
    before = tenant.get("secret", "db")
    since = audit.now()

    tenant.apply(tenant.manifest("db", tenant.seal("db", password="hunter2")))
    condition = stalled(tenant, "db")

    assert condition["reason"] == "Conflict"
    assert "patch secrets" not in audit.calls(since, tenant.namespace)
    assert tenant.get("secret", "db") == before
    tenant.kubectl("delete", "secret", "db")
    tenant.wait_ready("db")
    assert tenant.data("db") == {"password": "hunter2"}


@pytest.mark.parametrize("owner", [None, "elsewhere/db"], ids=["removed", "renamed"])
@pytest.mark.usefixtures("operator")
def test_a_secret_that_was_taken_over_is_left_alone(
    owner: str | None, tenant: Tenant, audit: AuditLog
) -> None:
    tenant.synced("db", password="hunter2")

    patch(tenant, "secret", "db", {"metadata": {"annotations": {OWNER: owner}}})
    condition = stalled(tenant, "db")
    before = tenant.get("secret", "db")
    since = audit.now()
    patch(tenant, "secret", "db", {"stringData": {"password": "theirs"}})

    assert condition["reason"] == tenant.reason("db") == "Conflict"
    assert audit.calls(since, tenant.namespace) == []
    assert tenant.data("db") == {"password": "theirs"}
    assert tenant.get("secret", "db")["metadata"]["uid"] == before["metadata"]["uid"]


@pytest.mark.usefixtures("operator")
def test_a_secret_that_is_given_back_is_repaired(tenant: Tenant) -> None:
    tenant.synced("db", password="hunter2")
    owner = tenant.get("secret", "db")["metadata"]["annotations"][OWNER]
    patch(tenant, "secret", "db", {"metadata": {"annotations": {OWNER: None}}})
    stalled(tenant, "db")
    patch(tenant, "secret", "db", {"stringData": {"password": "theirs"}})

    patch(tenant, "secret", "db", {"metadata": {"annotations": {OWNER: owner}}})

    tenant.wait_ready("db")
    assert tenant.data("db") == {"password": "hunter2"}


@pytest.mark.usefixtures("operator")
def test_a_copy_of_our_secret_in_another_namespace_is_left_alone(
    tenant: Tenant, audit: AuditLog
) -> None:
    tenant.synced("db", password="hunter2")
    original = tenant.get("secret", "db")
    with fresh(tenant.plane, tenant.keyring) as other:
        kept = {k: original["metadata"][k] for k in ("annotations", "labels")}
        copy = foreign_secret(other, "db", **kept)
        since = audit.now()
        patch(other, "secret", "db", {"stringData": {"password": "copy"}})
        other.apply(other.manifest("db", other.seal("db", password="x")))

        assert stalled(other, "db")["reason"] == "Conflict"
        assert "patch secrets" not in audit.calls(since, other.namespace)
        assert other.get("secret", "db")["metadata"]["uid"] == copy["metadata"]["uid"]
        assert other.data("db") == {"password": "copy"}


@pytest.mark.usefixtures("operator")
def test_of_two_vaultsecrets_with_one_target_the_second_waits_for_the_first(
    tenant: Tenant,
) -> None:
    for name in ("first", "second"):
        sealed = tenant.seal(name, password=name)
        tenant.apply(tenant.manifest(name, sealed, target={"name": "db"}))
        wait_reason(tenant, name, "Synced" if name == "first" else "Conflict")
    assert tenant.data("db") == {"password": "first"}

    tenant.kubectl("delete", "vaultsecret", "first")

    tenant.wait_ready("second")
    assert tenant.data("db") == {"password": "second"}


@pytest.mark.usefixtures("operator")
def test_an_immutable_secret_is_named_as_such_when_a_value_changes(
    tenant: Tenant,
) -> None:
    tenant.synced("db", password="hunter2")
    patch(tenant, "secret", "db", {"immutable": True})
    sealed = tenant.seal("db", password="correct horse")

    tenant.apply(tenant.manifest("db", sealed))

    assert stalled(tenant, "db")["reason"] == "SecretImmutable"
    assert tenant.data("db") == {"password": "hunter2"}
    tenant.kubectl("delete", "secret", "db")
    tenant.wait_ready("db")
    assert tenant.data("db") == {"password": "correct horse"}
    assert tenant.get("vaultsecret", "db")["status"]["version"] == 2


@pytest.mark.usefixtures("operator")
def test_a_secret_of_another_type_is_left_alone(tenant: Tenant) -> None:
    owner = {OWNER: f"{tenant.namespace}/db"}
    before = foreign_secret(tenant, "db", annotations=owner)
    target = {"type": "example.com/credential"}
    sealed = tenant.seal("db", password="hunter2")

    tenant.apply(tenant.manifest("db", sealed, target=target))

    assert stalled(tenant, "db")["reason"] == "TypeDiffers"
    assert tenant.get("secret", "db") == before


@pytest.mark.usefixtures("operator")
def test_a_quota_is_named_as_such_and_the_secret_made_when_it_is_raised(
    tenant: Tenant,
) -> None:
    tenant.kubectl("create", "quota", "few", "--hard=count/secrets=1")
    eventually(lambda: "used" in tenant.get("quota", "few").get("status", {}))
    foreign_secret(tenant, "other")
    eventually(lambda: "exceeded" in refusal_of_one_more(tenant))

    tenant.apply(tenant.manifest("db", tenant.seal("db", password="hunter2")))
    wait_reason(tenant, "db", "QuotaExceeded")
    reconciling = tenant.condition("db", "Reconciling")
    patch(tenant, "quota", "few", {"spec": {"hard": {"count/secrets": "5"}}})

    assert reconciling
    assert tenant.condition("db", "Stalled") is None
    tenant.wait_ready("db")


def refusal_of_one_more(tenant: Tenant) -> str:
    return refusal(tenant, "create", "secret", "generic", "more", "--dry-run=server")


def test_suspend_does_not_keep_a_vaultsecret_from_being_deleted(
    tenant: Tenant, operator: Operator
) -> None:
    assert operator.pid
    tenant.synced("db", password="hunter2")
    patch_spec(tenant, "db", suspend=True)

    tenant.kubectl("delete", "vaultsecret", "db")

    gone(tenant, "secret", "db")
