"""Merging into a Secret of somebody else: what is called, written, said and left."""

from asyncio import TaskGroup, sleep
from functools import partial
from typing import Any

import pytest

from tests.builders import CANARY, NAME, NAMESPACE, Body, edited, sealed
from tests.keyrings import keyring
from tests.patches import edited_by
from tests.running import run
from tests.world import KEY, World
from vaultferry.core.answers import Absent
from vaultferry.core.consent import ALLOW
from vaultferry.core.errors import ApiRejected, ApiUnavailable, Conflict
from vaultferry.core.merge import mark
from vaultferry.views import Key

RECORD = mark(str(KEY))
TOKEN = CANARY.encode()
WRITTEN = ["get secret", "apply secret", "update status"]
STATUS_ONLY = ["update status"]
REPAIRED = ["get secret", "apply secret", "update status"]
CLEANED = ["get vaultsecret", "check served", "apply secret"]
MERGE = {"creationPolicy": "Merge"}
DOWN = ApiUnavailable("the API server did not answer")


def shared(**metadata: Any) -> Body:
    """Return a Secret of somebody else that consents."""
    identity = {"namespace": NAMESPACE, "name": NAME}
    known = {"annotations": {ALLOW: "merge=app"}}
    return {
        "metadata": identity | known | metadata,
        "type": "example.com/theirs",
        "data": {"theirs": "Mg=="},
    }


def merging(secret: Body | None = None, **target: Any) -> World:
    """Return a world with a VaultSecret that wants to merge, and that Secret."""
    world = World(target=MERGE | target)
    world.cluster.store(world.cluster.secrets, secret or shared())
    world.watch()
    return world


def synced(**target: Any) -> World:
    world = merging(**target)
    assert world.step().name == "reported"
    assert world.says == {"Ready": "Synced"}
    return world


def edit(world: World, **changes: str | None) -> None:
    """Edit data by hand; None takes a key away."""
    leaves = {("data", key): value for key, value in changes.items()}
    _edit(world, leaves)


def note(world: World, **annotations: str | None) -> None:
    """Edit annotations by hand."""
    _edit(world, {("annotations", key): v for key, v in annotations.items()})


def _edit(world: World, leaves: dict[tuple[str, str], str | None]) -> None:
    body = edited_by(world.cluster.secrets[KEY], "kubectl-edit", leaves)
    world.cluster.store(world.cluster.secrets, body)
    world.watch()


def gone(world: World) -> World:
    """Delete the VaultSecret."""
    del world.cluster.vaultsecrets[KEY]
    world.vaultsecrets.drop(KEY)
    return world


def notes(world: World) -> Body:
    found: Body = world.cluster.secrets[KEY]["metadata"]["annotations"]
    return found


def test_our_keys_come_into_the_secret_beside_the_others() -> None:
    world = synced()

    assert world.calls == WRITTEN
    assert world.data == {"token": TOKEN, "theirs": b"2"}
    assert notes(world).keys() == {ALLOW, RECORD}
    assert world.status.version == 1


def test_the_status_speaks_of_the_secret_that_is_there() -> None:
    synced_secret = synced().status.synced_secret

    assert synced_secret is not None
    assert (synced_secret.name, synced_secret.type) == (NAME, "example.com/theirs")


def test_at_rest_and_at_a_restart_nothing_is_called() -> None:
    world = synced()

    assert (world.step().name, world.calls) == ("nothing", [])
    world.start()
    assert (world.step().name, world.calls) == ("nothing", [])


def test_a_secret_that_comes_while_it_is_missed_is_merged_into() -> None:
    world = synced()
    world.delete_secret()

    def made() -> None:
        world.cluster.store(world.cluster.secrets, shared())
        world.watch()

    world.cluster.meanwhile["get vaultsecret"] = made
    assert world.step().name == "TargetMissing"

    world.step()

    assert world.says == {"Ready": "Synced"}


def test_a_foreign_edit_is_read_once_and_nothing_is_written() -> None:
    world = synced()

    edit(world, theirs="Mw==", more="NA==")

    assert (world.step().name, world.calls) == ("nothing", ["get secret"])
    assert (world.step().name, world.calls) == ("nothing", [])
    world.start()
    assert (world.step().name, world.calls) == ("nothing", ["get secret"])


def test_of_foreign_edits_the_status_tells_once() -> None:
    world = synced()
    edit(world, theirs="Mw==")
    world.step()

    world.now += 60
    assert (world.step().name, world.calls) == ("reported", STATUS_ONLY)
    edit(world, theirs="NA==")
    assert (world.step().name, world.calls) == ("nothing", ["get secret"])
    world.now += 60
    assert (world.step().name, world.calls) == ("nothing", [])


def test_a_changed_value_is_two_writes_and_a_new_version() -> None:
    world = synced()

    world.edit({"sealed": {"token": sealed("new")}})
    world.step()

    assert world.calls == WRITTEN
    assert world.data == {"token": b"new", "theirs": b"2"}
    assert world.status.version == 2


def test_a_key_that_is_no_longer_wanted_goes() -> None:
    both = {"token": sealed(), "more": sealed(field="more")}
    world = merging()
    world.edit({"type": "opaque", "sealed": both})
    world.step()
    assert world.data.keys() == {"token", "more", "theirs"}

    world.edit({"sealed": {"more": both["more"]}})
    world.step()

    assert world.data.keys() == {"more", "theirs"}


def test_a_key_of_ours_that_was_taken_out_is_put_back() -> None:
    world = synced()

    edit(world, token=None)
    world.step()

    assert world.calls == REPAIRED
    assert world.data["token"] == TOKEN


@pytest.mark.parametrize("value", ["Mw==", None], ids=["another", "equal"])
def test_a_key_that_was_there_before_is_theirs(value: str | None) -> None:
    world = synced()
    data = {"token": value or world.cluster.secrets[KEY]["data"]["token"]}
    world = merging(shared() | {"data": data})

    world.step()

    assert world.calls == ["get secret", "update status"]
    assert world.says == {"Ready": "!Conflict", "Stalled": "Conflict"}
    assert world.cluster.secrets[KEY]["data"] == data


def test_a_key_that_somebody_sets_later_is_theirs_until_it_is_gone() -> None:
    world = synced()

    edit(world, token="Mw==")
    world.step()

    assert world.says == {"Ready": "!Conflict", "Stalled": "Conflict"}
    assert world.data["token"] == b"3"
    edit(world, token=None)
    world.step()
    assert world.says == {"Ready": "Synced"}
    assert world.data["token"] == TOKEN


def test_a_key_that_is_set_while_we_write_is_theirs() -> None:
    world = merging()
    world.cluster.faults["apply secret"] = [Conflict("set by somebody else")]

    world.step()

    assert world.says == {"Ready": "!Conflict", "Stalled": "Conflict"}


def test_without_consent_the_secret_is_not_even_read() -> None:
    world = merging(shared(annotations={}))

    world.step()

    assert world.calls == ["update status"]
    assert world.says == {"Ready": "!NotAllowed", "Stalled": "NotAllowed"}
    note(world, **{ALLOW: "merge"})
    world.step()
    assert world.says == {"Ready": "Synced"}


def test_with_consent_withdrawn_nothing_is_written_any_more() -> None:
    world = synced()

    note(world, **{ALLOW: None})
    edit(world, token=None)
    world.step()

    assert world.says == {"Ready": "!NotAllowed", "Stalled": "NotAllowed"}
    assert world.data == {"theirs": b"2"}


def test_a_secret_that_is_absent_is_not_made() -> None:
    world = World(target=MERGE)

    world.step()

    assert world.calls == ["get secret", "update status"]
    assert world.says == {"Ready": "!TargetMissing", "Stalled": "TargetMissing"}
    world.cluster.store(world.cluster.secrets, shared())
    world.watch()
    world.step()
    assert world.says == {"Ready": "Synced"}


def test_a_secret_that_went_is_reported_unless_the_resource_is_going_too() -> None:
    world = synced()
    world.delete_secret()
    going = edited(world.body, deletionTimestamp="2026-01-02T00:00:00Z")
    world.cluster.meanwhile["get vaultsecret"] = partial(
        world.cluster.store, world.cluster.vaultsecrets, going
    )

    assert world.step().name == "superseded"
    assert world.calls == ["get secret", "get vaultsecret"]
    del going["metadata"]["deletionTimestamp"]
    world.apply(going)
    world.step()
    assert world.says == {"Ready": "!TargetMissing", "Stalled": "TargetMissing"}


def test_a_secret_that_is_being_deleted_is_left() -> None:
    world = merging(shared(deletionTimestamp="2026-01-02T00:00:00Z"))

    assert world.step().name == "superseded"
    assert world.data == {"theirs": b"2"}


def test_a_secret_that_moves_while_it_is_written_is_looked_at_again() -> None:
    world = merging()
    world.cluster.meanwhile["apply secret"] = lambda: edit(world, theirs="Mw==")

    world.step()

    assert world.calls == ["get secret", "apply secret", *WRITTEN]
    assert world.data == {"token": TOKEN, "theirs": b"3"}


def test_a_secret_that_does_not_stand_still_is_tried_later() -> None:
    world = merging()

    def again() -> None:
        edit(world, theirs="Mw==")
        world.cluster.meanwhile["apply secret"] = again

    again()
    world.step()

    assert world.calls.count("apply secret") == 3
    assert world.says == {"Ready": "!ApiUnavailable", "Reconciling": "ApiUnavailable"}


def test_another_root_key_changes_neither_version_nor_secret() -> None:
    world = synced()
    before = world.cluster.secrets[KEY]
    fingerprint = world.status.fingerprint

    world.start(keyring(2, 1))
    world.edit({"target": MERGE | {"name": NAME}})
    world.step()

    assert world.calls == ["get secret", "update status"]
    assert world.cluster.secrets[KEY] == before
    assert world.status.version == 1
    assert world.status.fingerprint != fingerprint


def test_the_version_goes_on_counting_from_the_record() -> None:
    world = synced()
    world.edit({"sealed": {"token": sealed("new")}})
    world.step()
    world.apply(edited(world.body) | {"status": {"observedGeneration": -1}})
    world.start()

    world.step()

    assert world.calls == ["get secret", "update status"]
    assert world.status.version == 2


# When the VaultSecret is gone


def test_what_is_left_behind_is_taken_out() -> None:
    world = gone(synced())

    assert world.step().name == "cleaned"
    assert world.calls == CLEANED
    assert world.data == {"theirs": b"2"}
    assert notes(world).keys() == {ALLOW}
    assert (world.step().name, world.calls) == ("nothing", [])


def test_taking_out_needs_no_consent() -> None:
    world = synced()
    note(world, **{ALLOW: None})

    gone(world).step()

    assert world.data == {"theirs": b"2"}


def test_what_was_left_while_no_operator_ran_is_known_from_the_records() -> None:
    world = gone(synced())

    world.start()

    assert world.secrets.recorders() == {KEY}
    world.step()
    assert world.data == {"theirs": b"2"}


def test_a_record_that_others_have_set_as_well_goes_and_their_keys_stay() -> None:
    world = synced()
    body = world.cluster.secrets[KEY]
    entry = dict(body["metadata"]["managedFields"][-1], manager="another")
    body["metadata"]["managedFields"].append(entry)

    gone(world).step()

    assert world.calls == [*CLEANED, "patch secret"]
    assert notes(world).keys() == {ALLOW}
    assert world.data == {"token": TOKEN, "theirs": b"2"}


def test_a_view_that_lags_takes_nothing_out() -> None:
    world = synced()
    world.vaultsecrets.drop(KEY)

    world.step()

    assert world.calls == ["get vaultsecret"]
    assert world.data == {"token": TOKEN, "theirs": b"2"}


def test_where_the_kind_is_not_served_nothing_is_taken_out() -> None:
    world = gone(synced())
    world.cluster.faults["check served"] = [Absent()]

    world.step()

    assert world.calls == ["get vaultsecret", "check served"]
    assert world.data == {"token": TOKEN, "theirs": b"2"}


def test_what_fails_is_tried_again_with_back_off() -> None:
    world = gone(synced())
    world.cluster.faults["get vaultsecret"] = [DOWN]

    result = world.step()

    assert (result.name, result.again) == ("ApiUnavailable", 1.0)
    assert world.step().name == "waiting"
    world.now += 1.0
    assert world.step().name == "cleaned"


def test_what_the_api_server_refuses_waits_for_the_secret_to_change() -> None:
    world = gone(synced())
    world.cluster.faults["apply secret"] = [ApiRejected("refused (HTTP 422)")]

    assert world.step().name == "ApiRejected"
    assert (world.step().name, world.calls) == ("waiting", [])
    edit(world, theirs="Mw==")
    assert world.step().name == "cleaned"


def test_a_secret_that_is_going_needs_no_cleaning() -> None:
    world = synced()
    world.edit_secret(deletionTimestamp="2026-01-02T00:00:00Z")

    assert (gone(world).step().name, world.calls) == ("nothing", [])


def test_who_comes_back_with_another_policy_leaves_its_keys() -> None:
    world = gone(synced())
    elsewhere = {"name": "elsewhere", "creationPolicy": "Owner"}
    world.apply(edited(World(target=elsewhere).body, uid="another"))

    world.step()

    assert world.data == {"theirs": b"2"}
    assert Key(NAMESPACE, "elsewhere") in world.cluster.secrets
    assert world.says == {"Ready": "Synced"}


def test_who_comes_back_takes_its_keys_back() -> None:
    world = gone(synced())
    world.apply(edited(World(target=MERGE).body, uid="another"))

    world.step()

    assert world.calls == ["get secret", "update status"]
    assert world.status.version == 1


def test_a_failed_clean_up_is_tried_again_beside_who_came_back() -> None:
    world = gone(synced())
    elsewhere = {"name": "elsewhere", "creationPolicy": "Owner"}
    world.apply(edited(World(target=elsewhere).body, uid="another"))
    world.cluster.faults["get vaultsecret"] = [DOWN]

    result = world.step()

    assert (result.name, result.again) == ("reported", 1.0)


def test_those_who_merge_into_one_secret_take_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = merging(shared(annotations={ALLOW: "merge"}))
    other = edited(world.body, name="other", uid="uid-of-other")
    other["spec"] |= {"type": "opaque", "target": MERGE | {"name": NAME}}
    other["spec"]["sealed"] = {"more": sealed(field="more", name="other")}
    world.apply(other)

    read = world.cluster.get_secret

    async def slowly(namespace: str, name: str) -> Body:
        body = await read(namespace, name)
        await sleep(0.01)
        return body

    monkeypatch.setattr(world.cluster, "get_secret", slowly)

    async def both() -> None:
        async with TaskGroup() as group:
            group.create_task(world.reconcile(KEY))
            group.create_task(world.reconcile(Key(NAMESPACE, "other")))

    run(both())

    assert world.data.keys() == {"theirs", "token", "more"}
    assert world.calls.count("apply secret") == 2
