"""Values that come from a Secret, against a stand-in for the API server."""

from typing import Any

import pytest

from tests.builders import NAME, NAMESPACE, vault_secret_body
from tests.running import run
from tests.world import KEY, World
from vaultferry.core.consent import ALLOW
from vaultferry.core.errors import ApiUnavailable
from vaultferry.core.looked import Looked
from vaultferry.core.secret import encoded
from vaultferry.core.vaultsecret import VaultSecret
from vaultferry.sourcing import Sources, VaultSource
from vaultferry.views import Key

SOURCE = Key(NAMESPACE, "made-by-hand")
READ = {ALLOW: f"read={NAME}"}
FIRST_SYNC = ["get secret", "create secret", "update status"]


def store(world: World, data: dict[str, bytes], **metadata: Any) -> None:
    """Make or replace the source, as a person does."""
    before = world.cluster.secrets.get(SOURCE)
    kept = before["metadata"] if before else {"annotations": READ}
    known = {"namespace": SOURCE.namespace, "name": SOURCE.name}
    body = {"metadata": kept | known | metadata, "data": encoded(data)}
    world.cluster.store(world.cluster.secrets, body)
    world.watch()


def remove(world: World) -> None:
    del world.cluster.secrets[SOURCE]
    world.watch()


def sourced(**spec: Any) -> World:
    """Have a VaultSecret whose values come from a Secret."""
    body = vault_secret_body(secretRef={"name": SOURCE.name}, **spec)
    del body["spec"]["sealed"]
    world = World()
    world.apply(body)
    return world


def resource(world: World) -> VaultSecret:
    found = world.vaultsecrets.get(KEY)
    assert found is not None
    return found


def synced(**spec: Any) -> World:
    world = sourced(**spec)
    store(world, {"token": b"one", "other": b"left"})
    assert world.step().name == "reported"
    assert world.calls == FIRST_SYNC
    return world


def test_the_fields_of_a_secret_become_the_secret() -> None:
    world = synced()

    assert world.data == {"token": b"one"}
    assert world.says == {"Ready": "Synced", "Fresh": "Synced"}
    status = world.status
    assert (status.provider, status.key_id, status.version) == ("secret", None, 1)
    read = status.synced_from.source_secret if status.synced_from else None
    assert read is not None
    body = world.cluster.secrets[SOURCE]["metadata"]
    assert (read.uid, read.resource_version) == (body["uid"], body["resourceVersion"])
    assert (world.step().name, world.calls) == ("nothing", [])


def test_a_change_of_the_source_arrives_and_is_no_repair() -> None:
    world = synced()
    for number in range(5):
        store(world, {"token": f"value {number}".encode()})
        assert world.step().name == "reported"
        assert world.calls == ["get secret", "patch secret", "update status"]

    assert world.data == {"token": b"value 4"}
    assert (world.status.version, world.repairs) == (6, 0)
    assert world.says == {"Ready": "Synced", "Fresh": "Synced"}


def test_a_source_whose_values_are_the_same_costs_no_write() -> None:
    world = synced()
    store(world, {"token": b"one", "other": b"changed"})

    assert world.step().name == "nothing"
    assert world.calls == ["get secret"]
    assert (world.step().name, world.calls) == ("nothing", [])


def test_that_a_source_moved_is_written_once_later_so_a_start_reads_nothing() -> None:
    world = synced()
    store(world, {"token": b"one", "other": b"changed"})
    later = world.step().again
    world.now += later
    assert world.step().name == "reported"
    assert world.calls == ["update status"]

    world.start()

    assert (world.step().name, world.calls) == ("nothing", [])


def test_a_start_with_nothing_changed_reads_nothing() -> None:
    world = synced()
    world.start()

    assert (world.step().name, world.calls) == ("nothing", [])


def test_a_source_that_is_gone_leaves_the_last_good_secret() -> None:
    world = synced()
    remove(world)

    assert world.step().name == "SourceMissing"
    assert world.data == {"token": b"one"}
    assert world.says == {"Ready": "Synced", "Fresh": "!SourceMissing"}
    world.now += 3600
    assert (world.step().name, world.calls) == ("waiting", [])

    store(world, {"token": b"two"}, annotations=READ)
    assert world.step().name == "reported"
    assert world.data == {"token": b"two"}
    assert world.says == {"Ready": "Synced", "Fresh": "Synced"}


def test_a_source_that_never_was_needs_a_person() -> None:
    world = sourced()

    assert world.step().name == "SourceMissing"
    assert world.says == {"Ready": "!SourceMissing", "Stalled": "SourceMissing"}
    assert KEY not in world.cluster.secrets


def test_consent_withdrawn_leaves_the_last_good_secret_and_reads_nothing() -> None:
    world = synced()
    store(world, {"token": b"two"}, annotations={})

    assert world.step().name == "SourceNotAllowed"
    assert world.calls == ["update status"]
    assert world.data == {"token": b"one"}
    assert world.says == {"Ready": "Synced", "Fresh": "!SourceNotAllowed"}


def test_consent_is_asked_of_what_was_read() -> None:
    world = synced()
    metadata = world.cluster.secrets[SOURCE]["metadata"]
    # The watch has not told yet.
    body = {
        "metadata": metadata | {"annotations": {}},
        "data": encoded({"token": b"2"}),
    }
    world.edit(spec={"target": {"labels": {"a": "b"}}})
    world.cluster.store(world.cluster.secrets, body)

    world.step()

    assert world.data == {"token": b"one"}
    assert world.says == {"Ready": "!SourceNotAllowed", "Stalled": "SourceNotAllowed"}


def test_a_source_that_fails_the_checks_of_its_type_changes_nothing() -> None:
    world = synced()
    store(world, {"token": b""})

    assert world.step().name == "ValueInvalid"
    assert world.data == {"token": b"one"}
    assert world.says == {"Ready": "Synced", "Fresh": "!ValueInvalid"}


def test_an_api_server_that_does_not_answer_is_a_blip() -> None:
    world = synced()
    store(world, {"token": b"two"})
    world.cluster.faults["get secret"] = [ApiUnavailable("no answer")]

    result = world.step()

    assert (result.name, world.says["Fresh"]) == ("ApiUnavailable", "Synced")
    world.now += result.again
    world.step()
    assert world.data == {"token": b"two"}


def test_a_source_deleted_while_it_is_read_is_not_used() -> None:
    world = synced()
    store(world, {"token": b"two"})
    version = int(world.cluster.secrets[SOURCE]["metadata"]["resourceVersion"])
    uid = world.cluster.secrets[SOURCE]["metadata"]["uid"]
    world.cluster.meanwhile["get secret"] = lambda: world.secrets.drop(
        SOURCE, uid, version + 1
    )

    assert world.step().name == "SourceMissing"
    assert world.data == {"token": b"one"}


def test_a_source_shows_no_value() -> None:
    world = synced()

    vaults = VaultSource(
        world.connections, world.places, world.vaultsecrets.came, lambda: 0.0
    )
    sources = Sources(world.cluster, world.secrets, vaults)
    source = run(sources.read(resource(world), Looked(None)))

    assert source is not None
    assert "one" not in repr(source)


def test_all_keys_of_a_secret_become_an_opaque_credential() -> None:
    world = sourced(type="opaque")
    store(world, {"a": b"1", "b.txt": b"2"})
    world.step()
    assert world.data == {"a": b"1", "b.txt": b"2"}

    store(world, {"b.txt": b"2"})
    world.step()
    assert world.data == {"b.txt": b"2"}


def test_a_resource_that_turns_to_sealed_values_forgets_its_source() -> None:
    world = synced()
    body = vault_secret_body()
    world.edit(spec={"sealed": body["spec"]["sealed"], "secretRef": None})
    world.step()
    assert world.says == {"Ready": "Synced"}
    assert world.status.synced_from is None
    assert (world.status.provider, world.status.version) == ("sealed", 2)


@pytest.mark.parametrize("source", [None, SOURCE])
def test_a_secret_that_consents_is_kept_before_anybody_refers_to_it(
    source: Key | None,
) -> None:
    world = World()
    metadata = {"namespace": SOURCE.namespace, "name": SOURCE.name}
    metadata |= {"uid": "u", "resourceVersion": "900"}
    body = {"metadata": metadata | {"annotations": READ if source else {}}}

    assert world.secrets.put(body) is (source is not None)
