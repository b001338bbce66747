"""From apply through edits, as a person and the API server's audit log see it."""

import pytest

from tests.e2e.acts import (
    identity,
    patch,
    patch_spec,
    raw_data,
    ready,
    token,
    wait_reason,
)
from tests.e2e.audit import AuditLog
from tests.e2e.tenant import Tenant, eventually
from vaultferry.core.sealing import Place

pytestmark = pytest.mark.usefixtures("operator")

STATUS = "update vaultsecrets/status"
FORCE_SYNC = "vaultferry.dev/force-sync"


def test_an_applied_vaultsecret_becomes_a_secret_with_exactly_its_values(
    tenant: Tenant,
) -> None:
    tenant.synced("db", user="alice", password="hunter2")

    assert tenant.data("db") == {"user": "alice", "password": "hunter2"}
    assert tenant.get("secret", "db")["type"] == "Opaque"


def test_a_first_sync_costs_two_writes_and_no_read(
    tenant: Tenant, audit: AuditLog
) -> None:
    since = audit.now()

    tenant.synced("db", password="hunter2")

    assert audit.calls(since, tenant.namespace) == ["create secrets", STATUS]


def test_a_changed_value_replaces_the_old_one_and_counts_a_version(
    tenant: Tenant,
) -> None:
    tenant.synced("db", user="alice", password="hunter2")

    after = tenant.synced("db", user="alice", password="correct horse")

    assert tenant.data("db") == {"user": "alice", "password": "correct horse"}
    assert after["status"]["version"] == 2


def test_a_change_costs_two_writes_and_no_read(tenant: Tenant, audit: AuditLog) -> None:
    tenant.synced("db", password="hunter2")
    since = audit.now()

    tenant.synced("db", password="correct horse")

    assert audit.calls(since, tenant.namespace) == ["patch secrets", STATUS]


def test_a_removed_field_is_gone_from_the_secret(tenant: Tenant) -> None:
    tenant.synced("db", user="alice", password="hunter2")

    after = tenant.synced("db", password="hunter2")

    assert tenant.data("db") == {"password": "hunter2"}
    assert after["status"]["version"] == 2


def test_applying_the_same_again_costs_no_call(tenant: Tenant, audit: AuditLog) -> None:
    manifest = tenant.manifest("db", tenant.seal("db", password="hunter2"))
    before = ready(tenant, manifest)
    since = audit.now()

    tenant.apply(manifest)

    assert audit.calls(since, tenant.namespace) == []
    assert tenant.get("vaultsecret", "db") == before


def test_sealing_the_same_value_again_keeps_the_version_and_the_secret(
    tenant: Tenant,
) -> None:
    before = tenant.synced("db", password="hunter2")
    secret = identity(tenant, "secret", "db")

    after = tenant.synced("db", password="hunter2")

    assert before["spec"]["sealed"] != after["spec"]["sealed"]
    assert after["status"]["version"] == 1
    assert identity(tenant, "secret", "db") == secret


def test_a_key_added_to_the_secret_by_hand_is_taken_out(tenant: Tenant) -> None:
    tenant.synced("db", password="hunter2")

    patch(tenant, "secret", "db", {"stringData": {"extra": "by hand"}})

    eventually(lambda: tenant.data("db") == {"password": "hunter2"})


def test_a_key_taken_out_of_the_secret_by_hand_is_put_back(tenant: Tenant) -> None:
    tenant.synced("db", user="alice", password="hunter2")

    patch(tenant, "secret", "db", {"data": {"user": None}})

    eventually(lambda: tenant.data("db") == {"user": "alice", "password": "hunter2"})


def test_data_taken_out_altogether_is_put_back(tenant: Tenant) -> None:
    tenant.synced("db", password="hunter2")

    patch(tenant, "secret", "db", {"data": None})

    eventually(lambda: tenant.data("db") == {"password": "hunter2"})


def test_our_label_and_owner_reference_are_put_back(tenant: Tenant) -> None:
    tenant.synced("db", password="hunter2")
    metadata = tenant.get("secret", "db")["metadata"]

    bare = {"labels": {"vaultferry.dev/managed": None}, "ownerReferences": None}
    patch(tenant, "secret", "db", {"metadata": bare})

    def is_back() -> bool:
        now = tenant.get("secret", "db")["metadata"]
        kept = ("labels", "ownerReferences")
        return all(now.get(each) == metadata[each] for each in kept)

    eventually(is_back)


def test_a_foreign_annotation_and_label_stay(tenant: Tenant, audit: AuditLog) -> None:
    tenant.synced("db", password="hunter2")
    since = audit.now()

    tenant.kubectl("annotate", "secret", "db", "example.com/note=theirs")
    tenant.kubectl("label", "secret", "db", "example.com/team=theirs")
    calls = audit.calls(since, tenant.namespace)
    tenant.synced("db", password="correct horse")

    metadata = tenant.get("secret", "db")["metadata"]
    assert metadata["annotations"]["example.com/note"] == "theirs"
    assert metadata["labels"]["example.com/team"] == "theirs"
    assert set(calls) == {"get secrets"}


def test_labels_and_annotations_taken_out_of_the_target_go_and_foreign_ones_stay(
    tenant: Tenant,
) -> None:
    sealed = tenant.seal("db", password="hunter2")
    both = {"keep": "1", "go": "2"}
    target = {"labels": both, "annotations": both}
    ready(tenant, tenant.manifest("db", sealed, target=target))
    tenant.kubectl("label", "secret", "db", "theirs=3")
    tenant.kubectl("annotate", "secret", "db", "theirs=3")

    less = {"labels": {"keep": "1"}, "annotations": {"keep": "1"}}
    after = ready(tenant, tenant.manifest("db", sealed, target=less))

    metadata = tenant.get("secret", "db")["metadata"]
    for found in (metadata["labels"], metadata["annotations"]):
        assert found.items() >= {"keep": "1", "theirs": "3"}.items()
        assert "go" not in found
    assert after["status"]["version"] == 1


def test_a_label_of_the_target_that_was_changed_by_hand_is_put_back(
    tenant: Tenant,
) -> None:
    sealed = tenant.seal("db", password="hunter2")
    ready(tenant, tenant.manifest("db", sealed, target={"labels": {"team": "a"}}))

    tenant.kubectl("label", "--overwrite", "secret", "db", "team=b")

    def labels() -> dict[str, str]:
        found: dict[str, str] = tenant.get("secret", "db")["metadata"]["labels"]
        return found

    eventually(lambda: labels()["team"] == "a")


@pytest.mark.parametrize(
    "notes",
    [
        {"displayName": "DB"},
        {"description": "the database"},
        {"attributes": {"team": "storage"}},
        {"entityId": "db-1"},
    ],
    ids=lambda notes: next(iter(notes)),
)
def test_a_change_of_notes_costs_one_status_write(
    notes: dict[str, object], tenant: Tenant, audit: AuditLog
) -> None:
    before = tenant.synced("db", password="hunter2")
    since = audit.now()

    patch_spec(tenant, "db", **notes)

    assert audit.calls(since, tenant.namespace) == [STATUS]
    after = tenant.get("vaultsecret", "db")
    assert after["status"]["observedGeneration"] == after["metadata"]["generation"]
    assert after["status"]["syncedSecret"] == before["status"]["syncedSecret"]


def test_while_suspended_nothing_is_repaired_and_then_everything(
    tenant: Tenant, audit: AuditLog
) -> None:
    tenant.synced("db", password="hunter2")
    patch_spec(tenant, "db", suspend=True)
    tenant.wait_ready("db")
    since = audit.now()

    patch(tenant, "secret", "db", {"stringData": {"password": "by hand"}})
    meanwhile = audit.calls(since, tenant.namespace)
    patch_spec(tenant, "db", suspend=False)

    assert meanwhile == []
    eventually(lambda: tenant.data("db") == {"password": "hunter2"})
    tenant.wait_ready("db")


def test_a_secret_deleted_while_suspended_comes_back_afterwards(
    tenant: Tenant, audit: AuditLog
) -> None:
    tenant.synced("db", password="hunter2")
    patch_spec(tenant, "db", suspend=True)
    tenant.wait_ready("db")
    since = audit.now()

    tenant.kubectl("delete", "secret", "db")
    meanwhile = audit.calls(since, tenant.namespace)
    patch_spec(tenant, "db", suspend=False)

    assert meanwhile == []
    eventually(lambda: tenant.exists("secret", "db"))


def test_a_spec_changed_while_suspended_is_not_realised_until_then(
    tenant: Tenant,
) -> None:
    tenant.synced("db", password="hunter2")
    sealed = tenant.seal("db", password="correct horse")

    tenant.apply(tenant.manifest("db", sealed, suspend=True))
    wait_reason(tenant, "db", "Suspended")
    meanwhile = tenant.data("db")
    after = ready(tenant, tenant.manifest("db", sealed, suspend=False))

    assert meanwhile == {"password": "hunter2"}
    assert tenant.data("db") == {"password": "correct horse"}
    assert after["status"]["version"] == 2
    assert tenant.condition("db", "Stalled") is None


def test_a_vaultsecret_that_was_born_suspended_has_no_secret(tenant: Tenant) -> None:
    sealed = tenant.seal("db", password="hunter2")

    tenant.apply(tenant.manifest("db", sealed, suspend=True))

    wait_reason(tenant, "db", "Suspended")
    assert not tenant.exists("secret", "db")


def test_a_forced_sync_is_handled_once_and_echoed(
    tenant: Tenant, audit: AuditLog
) -> None:
    tenant.synced("db", password="hunter2")
    since = audit.now()

    tenant.kubectl("annotate", "vaultsecret", "db", f"{FORCE_SYNC}=03:04:05Z")

    assert audit.calls(since, tenant.namespace) == ["get secrets", STATUS]
    status = tenant.get("vaultsecret", "db")["status"]
    assert status["lastHandledSync"] == "03:04:05Z"
    assert status["version"] == 1


def test_a_forced_sync_is_pending_while_suspended(
    tenant: Tenant, audit: AuditLog
) -> None:
    tenant.synced("db", password="hunter2")
    patch_spec(tenant, "db", suspend=True)
    tenant.wait_ready("db")
    since = audit.now()

    tenant.kubectl("annotate", "vaultsecret", "db", f"{FORCE_SYNC}=now")
    meanwhile = audit.calls(since, tenant.namespace)
    patch_spec(tenant, "db", suspend=False)

    def handled() -> object:
        return tenant.get("vaultsecret", "db")["status"].get("lastHandledSync")

    assert meanwhile == []
    eventually(lambda: handled() == "now")


def test_a_forced_sync_that_is_malformed_is_ignored(
    tenant: Tenant, audit: AuditLog
) -> None:
    tenant.synced("db", password="hunter2")
    since = audit.now()

    tenant.kubectl("annotate", "vaultsecret", "db", f"{FORCE_SYNC}=not allowed")

    written = [c for c in audit.calls(since, tenant.namespace) if "events" not in c]
    assert written == []


@pytest.mark.parametrize(
    ("kind", "values", "wanted"),
    [
        ("opaque", {"any.key": "1"}, "Opaque"),
        ("token", {"token": "1"}, "Opaque"),
        ("password", {"username": "1", "password": "2"}, "kubernetes.io/basic-auth"),
    ],
    ids=["opaque", "token", "password"],
)
def test_each_type_makes_a_secret_of_its_own_type(
    kind: str, values: dict[str, str], wanted: str, tenant: Tenant
) -> None:
    sealed = tenant.seal("db", **values)

    ready(tenant, tenant.manifest("db", sealed, type=kind))

    assert tenant.get("secret", "db")["type"] == wanted
    assert tenant.data("db") == values


def test_the_target_may_have_another_name_and_type(tenant: Tenant) -> None:
    sealed = tenant.seal("db", password="hunter2")
    target = {"name": "app.db", "type": "example.com/credential"}

    after = ready(tenant, tenant.manifest("db", sealed, target=target))

    assert tenant.data("app.db") == {"password": "hunter2"}
    assert tenant.get("secret", "app.db")["type"] == "example.com/credential"
    assert not tenant.exists("secret", "db")
    assert after["status"]["syncedSecret"]["name"] == "app.db"


@pytest.mark.parametrize(
    "value",
    [bytes(range(256)), b"\n", b"x" * 32 * 1024, b"\xff" * 32 * 1024],
    ids=["every byte", "newline", "32 KiB", "32 KiB, not UTF-8"],
)
def test_bytes_arrive_exactly(value: bytes, tenant: Tenant) -> None:
    place = Place(tenant.namespace, "db", "key")
    sealed = {"key": token(tenant, place, value)}

    ready(tenant, tenant.manifest("db", sealed))

    assert raw_data(tenant, "db") == {"key": value}
