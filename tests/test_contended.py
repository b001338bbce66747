"""Somebody keeps undoing what the operator writes."""

from tests.test_reconcile import STATUS_ONLY, synced
from tests.world import World
from vaultferry.core.answers import Stale
from vaultferry.core.requests import REQUEST_ID

UUID = "0b5a7d3e-6a55-4c8e-9c53-3f1f8f5a2d10"
REPAIR = ["get secret", "patch secret", "update status"]


def fought() -> World:
    """Return a world in which the Secret was changed and repaired three times."""
    world = synced()
    for _ in range(3):
        world.now += 1
        world.edit_secret(data={})
        world.step()
    return world


def test_two_reverts_are_repaired_and_not_mentioned() -> None:
    world = synced()
    for _ in range(2):
        world.edit_secret(data={})
        world.step()

    assert world.says == {"Ready": "Synced"}


def test_the_third_revert_is_repaired_and_said_to_be_contended() -> None:
    world = fought()

    assert world.says == {"Ready": "!Contended", "Stalled": "Contended"}
    assert world.data != {}
    assert [event.reason for event in world.events] == ["Contended"]


def test_then_a_revert_is_left_for_a_minute() -> None:
    world = fought()
    world.edit_secret(data={})

    result = world.step()

    assert (result.name, result.again, world.calls) == ("waiting", 60, [])


def test_after_a_minute_it_is_repaired_once() -> None:
    world = fought()
    world.edit_secret(data={})
    world.now += 60

    world.step()

    assert world.calls == REPAIR
    assert world.says["Ready"] == "!Contended"
    assert world.step().name == "waiting"


def test_a_fight_that_stopped_costs_nothing_until_it_is_over() -> None:
    world = fought()
    world.now += 60

    result = world.step()

    assert (result.again, world.calls) == (240, [])


def test_five_minutes_without_a_revert_it_is_ready_again() -> None:
    world = fought()
    world.now += 300

    world.step()

    assert world.says == {"Ready": "Synced"}
    assert [event.reason for event in world.events] == ["Contended", "Recovered"]


def test_a_changed_spec_is_realised_at_once_in_a_fight_too() -> None:
    world = fought()
    world.edit({"description": "another", "target": {"labels": {"team": "a"}}})

    world.step()

    assert world.says == {"Ready": "Synced"}


def test_after_a_restart_a_fight_is_looked_at_once_and_forgotten() -> None:
    world = fought()
    world.start()

    world.step()

    assert world.calls == ["update status"]
    assert world.says == {"Ready": "Synced"}


def test_the_id_of_a_client_request_is_echoed_after_one_look() -> None:
    world = synced()
    world.edit(annotations={REQUEST_ID: UUID})

    result = world.step()

    assert result.request_id == UUID
    assert world.calls == ["get secret", "update status"]
    assert world.status.last_handled_request_id == UUID
    assert world.step().request_id is None


def test_where_the_third_repair_could_not_be_told_it_is_told_next() -> None:
    world = synced()
    for _ in range(2):
        world.now += 1
        world.edit_secret(data={})
        world.step()
    world.edit_secret(data={})
    world.cluster.faults["update status"] = [Stale()]
    assert world.step().name == "superseded"
    assert world.says == {"Ready": "Synced"}
    world.now += 2

    result = world.step()

    assert (result.name, result.again, world.calls) == ("reported", 58, STATUS_ONLY)
    assert world.says == {"Ready": "!Contended", "Stalled": "Contended"}
    assert world.step().name == "waiting"


def test_what_is_told_of_a_fight_without_a_look_handles_no_request() -> None:
    world = synced()
    for _ in range(3):
        world.edit_secret(data={})
        world.cluster.faults["update status"] = [Stale()]
        world.step()
    world.edit(annotations={REQUEST_ID: UUID})
    world.now += 2

    world.step()
    assert world.says["Ready"] == "!Contended"
    assert world.status.last_handled_request_id is None

    world.now += 60
    world.step()
    assert world.status.last_handled_request_id == UUID
