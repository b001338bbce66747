"""Values that come from a Secret which somebody else makes, by its consent."""

import json

import pytest

from tests.e2e.acts import foreign_secret, patch, ready, refusal
from tests.e2e.audit import AuditLog
from tests.e2e.operator import Operator
from tests.e2e.table import Row, becomes, needs_person, settles
from tests.e2e.tenant import Body, Tenant, eventually
from vaultferry.core.consent import ALLOW
from vaultferry.core.secret import encoded

pytestmark = pytest.mark.usefixtures("operator")

READ = {ALLOW: "read=db"}
STATUS = "update vaultsecrets/status"
REALISED = Row(ready=("True", "Synced"), fresh=("True", "Synced"))


def stale(reason: str) -> Row:
    return Row(ready=("True", "Synced"), fresh=("False", reason))


def sourced(tenant: Tenant, name: str = "db", source: str = "source") -> Body:
    """Return a VaultSecret that takes its values from a Secret."""
    manifest = tenant.manifest(name, {}, type="opaque", secretRef={"name": source})
    del manifest["spec"]["sealed"]
    return manifest


def change(tenant: Tenant, **data: bytes) -> None:
    patch(tenant, "secret", "source", {"data": encoded(data)})


def test_a_secret_made_by_hand_becomes_the_target_and_is_followed(
    tenant: Tenant, audit: AuditLog
) -> None:
    foreign_secret(tenant, "source", annotations=READ)
    since = audit.now()
    ready(tenant, sourced(tenant))

    assert tenant.data("db") == {"password": "not ours"}
    calls = audit.calls(since, tenant.namespace)
    assert calls == ["get secrets", "create secrets", STATUS]

    since = audit.now()
    change(tenant, password=b"changed")
    took = eventually(lambda: tenant.data("db") == {"password": "changed"})
    print(f"a change of the source arrived after {took:.2f} s")
    becomes(tenant, "db", REALISED)
    settles(tenant, "db", ready=True)
    calls = audit.calls(since, tenant.namespace)
    assert calls == ["get secrets", "patch secrets", STATUS]
    assert tenant.get("vaultsecret", "db")["status"]["version"] == 2


def test_without_its_consent_nothing_is_made(tenant: Tenant) -> None:
    foreign_secret(tenant, "source")
    tenant.apply(sourced(tenant))
    becomes(tenant, "db", needs_person("SourceNotAllowed"))
    assert not tenant.exists("secret", "db")

    patch(tenant, "secret", "source", {"metadata": {"annotations": READ}})

    becomes(tenant, "db", REALISED)


def test_the_last_good_secret_stays_where_the_source_goes(tenant: Tenant) -> None:
    foreign_secret(tenant, "source", annotations=READ)
    ready(tenant, sourced(tenant))

    tenant.kubectl("delete", "secret", "source")
    becomes(tenant, "db", stale("SourceMissing"))
    settles(tenant, "db", ready=True)
    assert tenant.data("db") == {"password": "not ours"}

    foreign_secret(tenant, "source", annotations=READ)
    becomes(tenant, "db", REALISED)


def test_a_restart_reads_and_writes_nothing(
    tenant: Tenant, audit: AuditLog, operator: Operator
) -> None:
    foreign_secret(tenant, "source", annotations=READ)
    ready(tenant, sourced(tenant))
    since = audit.now()

    with operator.stopped():
        pass
    settles(tenant, "db", ready=True)

    assert audit.calls(since, tenant.namespace) == []


def test_what_changed_while_the_operator_was_down_arrives(
    tenant: Tenant, operator: Operator
) -> None:
    foreign_secret(tenant, "source", annotations=READ)
    ready(tenant, sourced(tenant))

    with operator.stopped():
        change(tenant, password=b"changed")

    eventually(lambda: tenant.data("db") == {"password": "changed"})


def test_two_that_read_from_each_other_are_no_circle(tenant: Tenant) -> None:
    foreign_secret(tenant, "source", annotations={ALLOW: "read"})
    ready(tenant, sourced(tenant))
    patch(tenant, "secret", "db", {"metadata": {"annotations": {ALLOW: "read"}}})

    tenant.apply(sourced(tenant, "chained", source="db"))

    becomes(tenant, "chained", needs_person("SourceNotAllowed"))
    assert not tenant.exists("secret", "chained")


def test_a_resource_never_reads_its_own_target(tenant: Tenant) -> None:
    assert "spec.secretRef names the Secret that is to be made" in tenant.refusal(
        sourced(tenant, "db", source="db")
    )
    manifest = sourced(tenant, "db", source="source")
    manifest["spec"]["target"] = {"name": "source"}
    assert "spec.secretRef names the Secret" in tenant.refusal(manifest)


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client", "server"])
def test_a_resource_moves_from_one_source_to_the_other_and_back(
    tenant: Tenant, how: tuple[str, ...]
) -> None:
    foreign_secret(tenant, "source", annotations=READ)
    sealed = tenant.manifest("db", tenant.seal("db", password="sealed"))

    def becomes_after(manifest: Body, value: str) -> None:
        text = json.dumps(manifest)
        tenant.kubectl("apply", *how, "--filename=-", stdin=text)
        eventually(lambda: tenant.exists("secret", "db"))
        eventually(lambda: tenant.data("db") == {"password": value})

    becomes_after(sealed, "sealed")
    becomes_after(sourced(tenant), "not ours")
    becomes(tenant, "db", REALISED)
    becomes_after(sealed, "sealed")
    becomes(tenant, "db", Row(ready=("True", "Synced")))


def test_two_sources_are_refused(tenant: Tenant) -> None:
    ready(tenant, tenant.manifest("db", tenant.seal("db", password="sealed")))
    change = '--patch={"spec": {"secretRef": {"name": "source"}}}'

    said = refusal(tenant, "patch", "vaultsecret", "db", "--type=merge", change)

    assert "has two sources for the values" in said
