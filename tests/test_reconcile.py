"""The story of a reconciliation: what is called, what is written, what is said."""

from math import inf
from typing import Any

import pytest

from tests.builders import CANARY, NOW, OWNER, Body, edited, sealed, secret_body
from tests.keyrings import keyring
from tests.running import run
from tests.world import KEY, World
from vaultferry.core.answers import Absent, Stale
from vaultferry.core.consent import ALLOW
from vaultferry.core.errors import (
    ApiForbidden,
    ApiRejected,
    ApiUnavailable,
    NamespaceTerminating,
    NotLeading,
    QuotaExceeded,
)
from vaultferry.core.events import SYNC_IGNORED
from vaultferry.core.keyring import Keyring
from vaultferry.core.metadata import record
from vaultferry.core.sealing import Place, Scope
from vaultferry.core.secret import FINGERPRINT, METADATA, VERSION
from vaultferry.core.secret import OWNER as OWNER_KEY
from vaultferry.core.trickle import SETTLE_SECONDS
from vaultferry.core.urgency import Lane
from vaultferry.core.vaultsecret import FORCE_SYNC
from vaultferry.formats import json
from vaultferry.reconcile import Result
from vaultferry.views import Key

READY = {"Ready": "Synced"}
STATUS_ONLY = ["update status"]
REPAIR = ["get secret", "patch secret", "update status"]
DOWN = ApiUnavailable("the API server did not answer")


def synced(**spec: Any) -> World:
    """Return a world whose VaultSecret is realised, and nothing happened since."""
    world = World(**spec)
    world.step()
    assert world.says == READY
    return world


def foreign_secret(**metadata: object) -> Body:
    identity = {"namespace": KEY.namespace, "name": KEY.name}
    return {"metadata": identity | metadata, "type": "Opaque", "data": {"theirs": ""}}


def resealed(ring: Keyring, field: str = "token") -> str:
    place = Place(KEY.namespace, KEY.name, field)
    return ring.seal_at_rest(CANARY.encode(), Scope.STRICT, place)


def failing(call: str, *errors: Exception, world: World | None = None) -> World:
    world = world or World()
    world.cluster.faults[call] = list(errors)
    return world


# From nothing to a Secret


def test_a_first_sync_is_two_writes() -> None:
    world = World()

    result = world.step()

    assert (result.name, result.again) == ("reported", inf)
    assert world.calls == ["create secret", "update status"]
    assert world.data == {"token": CANARY.encode()}
    assert world.says == READY
    assert world.events == []


def test_the_status_tells_what_was_realised() -> None:
    status = synced().status

    assert (status.observed_generation, status.version) == (1, 1)
    assert (status.created_at, status.updated_at) == (NOW, NOW)
    assert (status.fields, status.field_count) == (["token"], 1)
    assert (status.provider, status.key_id) == ("sealed", keyring().key_id)


def test_looking_again_is_no_call_at_all() -> None:
    world = synced()

    assert world.step().name == "nothing"
    assert world.calls == []


def test_a_restart_is_no_call_at_all() -> None:
    world = synced()
    world.start()

    assert world.step().name == "nothing"
    assert world.calls == []


def test_a_changed_value_is_two_writes_and_the_next_version() -> None:
    world = synced()
    world.edit({"sealed": {"token": sealed("another-value")}})

    world.step()

    assert world.calls == ["patch secret", "update status"]
    assert world.data == {"token": b"another-value"}
    assert (world.status.version, world.status.observed_generation) == (2, 2)


def test_a_generation_that_changes_nothing_is_one_status_write() -> None:
    world = synced()
    world.edit({"displayName": "App"})

    world.step()

    assert world.calls == STATUS_ONLY
    assert world.status.observed_generation == 2
    assert world.step().name == "nothing"


def test_from_owner_to_orphan_the_secret_stays_the_same_version() -> None:
    world = synced()
    world.edit({"target": {"creationPolicy": "Orphan"}})

    world.step()

    metadata = world.cluster.secrets[KEY]["metadata"]
    assert (metadata["ownerReferences"], world.status.version) == ([], 1)


def test_a_crash_between_the_two_writes_costs_one_read() -> None:
    world = failing("update status", DOWN)
    world.step()
    world.start()

    world.step()

    assert world.calls == ["get secret", "update status"]
    assert (world.says, world.status.version) == (READY, 1)


def test_a_restore_without_status_goes_on_counting() -> None:
    world = synced()
    world.edit({"sealed": {"token": sealed("another-value")}})
    world.step()
    world.apply(edited(world.body) | {"status": {"observedGeneration": -1}})

    world.step()

    assert world.status.version == 2


def test_rotation_alone_writes_nothing_and_a_new_key_is_told_later() -> None:
    world = synced()
    world.start(keyring(2, 1))

    assert world.step().name == "nothing"
    assert world.calls == []


def test_rotated_tokens_change_neither_version_nor_secret() -> None:
    world = synced()
    before = world.cluster.secrets[KEY]
    rotated = keyring(2, 1)
    world.start(rotated)
    world.edit({"sealed": {"token": resealed(rotated)}})

    world.step()

    assert world.calls == ["patch secret", "update status"]
    after = world.cluster.secrets[KEY]
    assert unversioned(after) == unversioned(before)
    assert (world.says, world.status.version) == (READY, 1)
    assert world.status.key_id == rotated.key_id
    assert (world.status.fingerprint or "").startswith(f"{rotated.key_id}.")


def unversioned(body: Body) -> Body:
    """Return an object without its resourceVersion, which the stand-in always moves."""
    return edited(body, resourceVersion="")


def test_after_rotation_the_old_key_is_needed_no_more() -> None:
    world, rotated = synced(), keyring(2, 1)
    before = world.cluster.secrets[KEY]
    world.start(rotated)
    world.edit({"sealed": {"token": resealed(rotated)}})
    world.step()

    world.start(keyring(2))
    world.edit({"sealed": {"token": resealed(keyring(2))}})
    world.step()

    assert unversioned(world.cluster.secrets[KEY]) == unversioned(before)
    assert (world.says, world.status.version) == (READY, 1)


# Drift


@pytest.mark.parametrize(
    "data", [{}, {"token": "b3RoZXI="}, {"token": "", "more": ""}], ids=str
)
def test_data_that_drifted_is_repaired(data: Body) -> None:
    world = synced()
    world.edit_secret(data)

    world.step()

    assert world.calls == REPAIR
    assert world.data == {"token": CANARY.encode()}
    assert (world.says, world.events, world.status.version) == (READY, [], 1)
    assert world.repairs == 1


def test_a_change_that_somebody_asked_for_is_no_repair() -> None:
    world = synced()
    world.edit({"sealed": {"token": sealed("other")}})

    world.step()

    assert (world.data, world.repairs) == ({"token": b"other"}, 0)


def test_what_was_begun_without_the_lease_writes_nothing_and_is_tried_again() -> None:
    world = World()
    out = NotLeading("the lease ran out")
    world.cluster.faults = {"create secret": [out], "update status": [out]}

    result = world.step()

    assert (result.name, result.is_failure) == ("NotLeading", True)
    assert 0 < result.again < inf
    assert world.cluster.secrets == {}
    assert world.status.conditions == []


def test_a_label_that_was_lost_is_put_back() -> None:
    world = synced()
    world.edit_secret(labels={})

    world.step()

    assert world.calls == REPAIR
    assert world.cluster.secrets[KEY]["metadata"]["labels"]


def test_foreign_metadata_is_read_once_and_let_be() -> None:
    world = synced()
    world.edit_secret(labels={"vaultferry.dev/managed": "true", "theirs": "1"})

    world.step()

    assert world.calls == ["get secret"]
    assert world.step().name == "nothing"
    assert world.calls == []


def let_be() -> World:
    """Return a world where only metadata of somebody else moved."""
    world = synced()
    world.edit_secret(labels={"vaultferry.dev/managed": "true", "theirs": "1"})
    world.step()
    return world


def test_what_was_let_be_is_told_once_a_little_later_and_in_the_last_lane() -> None:
    world = let_be()
    before = world.status

    result = world.step()
    assert (result.again, result.lane) == (SETTLE_SECONDS, Lane.LAST)
    world.now += SETTLE_SECONDS
    assert world.step().name == "reported"

    assert world.calls == ["update status"]
    assert before.synced_secret
    version = world.cluster.secrets[KEY]["metadata"]["resourceVersion"]
    now_synced = before.synced_secret.model_copy(update={"resource_version": version})
    assert world.status == before.model_copy(update={"synced_secret": now_synced})
    world.start()
    assert (world.step().name, world.calls) == ("nothing", [])


def test_what_was_told_once_is_let_be_from_then_on() -> None:
    world = let_be()
    world.now += SETTLE_SECONDS
    world.step()

    world.edit_secret(labels={"vaultferry.dev/managed": "true", "theirs": "2"})
    assert (world.step().again, world.calls) == (inf, ["get secret"])


def test_what_moves_again_before_its_turn_is_looked_at_first() -> None:
    world = let_be()
    world.now += SETTLE_SECONDS
    world.edit_secret({"token": "b3RoZXI="})

    world.step()

    assert world.calls == REPAIR
    assert (world.step().name, world.calls) == ("nothing", [])


def test_what_is_being_deleted_is_told_nothing() -> None:
    world = let_be()
    world.now += SETTLE_SECONDS
    world.edit(deletionTimestamp=NOW)

    assert (world.step().name, world.calls) == ("nothing", [])


def test_of_a_secret_that_went_while_suspended_nothing_is_told() -> None:
    world = let_be()
    world.edit({"suspend": True})
    world.step()
    world.delete_secret()
    world.now += SETTLE_SECONDS

    assert (world.step().name, world.calls) == ("nothing", [])


@pytest.mark.parametrize("fault", [Stale(), ApiUnavailable("down"), Absent()], ids=repr)
def test_what_could_not_be_told_in_its_turn_is_no_failure(fault: Exception) -> None:
    world = let_be()
    world.now += SETTLE_SECONDS
    world.cluster.faults = {"update status": [fault]}

    result = world.step()

    assert (result.name, result.again, world.calls) == (
        "nothing",
        inf,
        ["update status"],
    )


def test_a_generation_that_moved_with_foreign_metadata_is_still_observed() -> None:
    world = synced()
    world.edit_secret(finalizers=["example.com/theirs"])
    world.edit({"displayName": "App"})

    world.step()

    assert world.status.observed_generation == 2
    assert world.step().name == "nothing"


def test_a_secret_that_is_gone_is_made_again_after_one_look() -> None:
    world = synced()
    world.delete_secret()

    world.step()

    assert world.calls == ["get vaultsecret", "create secret", "update status"]
    assert (world.says, world.status.version) == (READY, 1)


def test_a_secret_is_not_made_again_for_a_resource_that_is_gone() -> None:
    world = synced()
    world.delete_secret()
    world.cluster.vaultsecrets.clear()

    assert world.step().name == "superseded"
    assert world.calls == ["get vaultsecret"]


@pytest.mark.parametrize(
    "news",
    [{"deletionTimestamp": NOW}, {"uid": "another"}, {"generation": 2}],
    ids=["going", "another", "changed"],
)
def test_a_secret_is_not_made_again_for_what_the_resource_was(news: Body) -> None:
    world = synced()
    world.delete_secret()
    world.cluster.store(world.cluster.vaultsecrets, edited(world.body, **news))

    assert world.step().name == "superseded"
    assert world.calls == ["get vaultsecret"]


def test_a_conflict_ends_where_the_secret_goes_while_it_is_reported() -> None:
    world = World()
    world.cluster.store(world.cluster.secrets, secret_body())
    world.watch()
    world.cluster.meanwhile["update status"] = world.delete_secret
    assert world.step().name == "Conflict"

    world.step()

    assert world.says == READY


def test_a_conflict_ends_where_the_secret_goes_while_it_is_judged() -> None:
    world = adoptable(**{OWNER_KEY: "team/other"})
    rivalled(world)
    world.cluster.meanwhile["get vaultsecret"] = world.delete_secret
    assert world.step().name == "Conflict"

    world.step()

    assert world.says == READY


def test_a_conflict_ends_where_the_secret_was_found_only_by_the_attempt() -> None:
    world = World()
    world.cluster.store(world.cluster.secrets, foreign_secret())
    assert world.step().name == "Conflict"
    world.delete_secret()

    world.step()

    assert world.says == READY


def test_no_secret_is_made_for_a_resource_that_was_stalled_and_is_gone() -> None:
    world = World()
    world.cluster.store(world.cluster.secrets, secret_body())
    world.watch()
    assert world.step().name == "Conflict"
    world.delete_secret()
    world.cluster.vaultsecrets.clear()

    assert world.step().name == "superseded"
    assert world.calls == ["get vaultsecret"]


def test_a_secret_is_not_made_in_the_next_namespace_of_that_name() -> None:
    world = World()
    world.cluster.faults["create secret"] = [Absent()]

    assert world.step().name == "superseded"
    assert world.calls == ["create secret"]


def test_what_was_read_of_a_secret_that_is_gone_decides_nothing() -> None:
    world = synced()
    world.edit_secret({})
    uid = world.cluster.secrets[KEY]["metadata"]["uid"]
    world.cluster.meanwhile["get secret"] = lambda: world.secrets.drop(KEY, uid, 1_000)

    assert (world.step().name, world.calls) == ("superseded", ["get secret"])


def test_a_secret_that_is_going_is_left_alone() -> None:
    world = synced()
    world.edit_secret({}, deletionTimestamp=NOW)

    assert (world.step().name, world.calls) == ("superseded", [])


def test_a_secret_that_is_found_going_is_left_alone() -> None:
    world = synced()
    world.edit_secret({})
    world.cluster.meanwhile["get secret"] = lambda: world.cluster.secrets[KEY][
        "metadata"
    ].update({"deletionTimestamp": NOW})

    assert (world.step().name, world.calls) == ("superseded", ["get secret"])


# The end


def test_a_resource_that_is_going_is_left_alone() -> None:
    world = World()
    world.edit(deletionTimestamp=NOW)

    assert (world.step().name, world.calls) == ("nothing", [])


def test_a_resource_that_is_gone_is_forgotten() -> None:
    world = synced()
    world.cluster.vaultsecrets.clear()
    world.vaultsecrets.drop(KEY, "uid-of-app")

    assert (world.step().name, world.calls) == ("nothing", [])


def test_nothing_is_written_once_the_namespace_is_going() -> None:
    world = failing("create secret", NamespaceTerminating("is being deleted"))

    result = world.step()

    assert (result.name, result.again) == ("superseded", inf)
    assert world.calls == ["create secret"]
    assert world.body["status"] == {"observedGeneration": -1}


# Whose Secret it is


@pytest.mark.parametrize(
    "metadata",
    [{}, {"annotations": {OWNER_KEY: "elsewhere/app"}}],
    ids=["nobody's", "another's"],
)
def test_a_secret_that_is_not_ours_is_never_touched(metadata: Body) -> None:
    world = World()
    world.cluster.store(world.cluster.secrets, foreign_secret(**metadata))
    world.watch()

    result = world.step()

    assert (result.name, result.again) == ("Conflict", inf)
    assert world.calls == STATUS_ONLY
    assert world.says == {"Ready": "!Conflict", "Stalled": "Conflict"}
    assert [event.reason for event in world.events] == ["Conflict"]


def test_a_conflict_is_not_told_twice() -> None:
    world = World()
    world.cluster.store(world.cluster.secrets, foreign_secret())
    world.watch()
    world.step()

    assert (world.step().name, world.calls) == ("waiting", [])
    world.start()
    assert (world.step().name, world.calls) == ("Conflict", [])


def test_a_conflict_ends_when_the_secret_goes() -> None:
    world = World()
    world.cluster.store(world.cluster.secrets, foreign_secret())
    world.watch()
    world.step()

    world.delete_secret()
    world.step()

    assert world.says == READY
    assert world.events[-1].reason == "Recovered"


def test_a_secret_that_was_taken_over_is_left_to_its_owner() -> None:
    world = synced()
    world.edit_secret({}, annotations={OWNER_KEY: "elsewhere/app"})

    world.step()

    assert world.calls == STATUS_ONLY
    assert world.says == {"Ready": "!Conflict", "Stalled": "Conflict"}
    assert world.data == {}


def adoptable(**annotations: str) -> World:
    """Return a world with a Secret of somebody else that consents to be ours."""
    world = World()
    notes = {ALLOW: "adopt=app"} | annotations
    world.cluster.store(world.cluster.secrets, foreign_secret(annotations=notes))
    world.watch()
    return world


def rivalled(world: World, **target: str) -> None:
    """Have another VaultSecret, by default one of the same target."""
    other = edited(world.body, name="other", uid="uid-of-other")
    other["spec"]["target"] = {"name": KEY.name} | target
    world.apply(other)


def test_a_secret_that_consents_is_adopted() -> None:
    world = adoptable()

    world.step()

    assert world.calls == [
        "get secret",
        "get vaultsecret",
        "patch secret",
        *STATUS_ONLY,
    ]
    assert world.says == READY
    assert world.data == {"token": CANARY.encode()}
    assert (world.step().name, world.calls) == ("nothing", [])


def test_a_secret_of_another_living_resource_is_not_adopted() -> None:
    world = adoptable(**{OWNER_KEY: "team/other"})
    rivalled(world)

    world.step()

    assert world.calls == ["get secret", "get vaultsecret", "update status"]
    assert world.says == {"Ready": "!Conflict", "Stalled": "Conflict"}
    assert world.data == {"theirs": b""}


@pytest.mark.parametrize(
    "target", [None, {"name": "elsewhere"}, {"creationPolicy": "Merge"}], ids=str
)
def test_a_secret_whose_resource_is_gone_or_is_elsewhere_is_adopted(
    target: dict[str, str] | None,
) -> None:
    world = adoptable(**{OWNER_KEY: "team/other"})
    if target is not None:
        rivalled(world, **target)

    world.step()

    assert world.says == READY
    assert world.data == {"token": CANARY.encode()}


def conflicting(**annotations: str) -> World:
    """Return a world whose Secret is made by another VaultSecret, and said to be."""
    world = adoptable(**annotations | {OWNER_KEY: "team/other"})
    rivalled(world, creationPolicy="Orphan")
    world.step()
    assert world.says == {"Ready": "!Conflict", "Stalled": "Conflict"}
    assert world.step().again == inf
    return world


def end_of_rival(world: World) -> None:
    """Delete the other VaultSecret; its Secret stays."""
    rival = Key(KEY.namespace, "other")
    del world.cluster.vaultsecrets[rival]
    assert world.vaultsecrets.drop(rival) == (KEY,)


def test_a_secret_that_consents_is_adopted_when_the_other_resource_is_gone() -> None:
    world = conflicting()
    end_of_rival(world)

    world.step()

    assert world.says == READY
    assert world.data == {"token": CANARY.encode()}


def test_a_secret_that_does_not_consent_stays_that_of_a_resource_that_is_gone() -> None:
    world = conflicting(**{ALLOW: "merge"})
    end_of_rival(world)

    world.step()
    kept = world.says
    world.start()
    world.step()

    assert kept == world.says == {"Ready": "!Conflict", "Stalled": "Conflict"}
    assert world.data == {"theirs": b""}


def test_a_conflict_ends_where_the_other_resource_ends_while_it_is_reported() -> None:
    world = adoptable(**{OWNER_KEY: "team/other"})
    rivalled(world, creationPolicy="Orphan")
    world.cluster.meanwhile["update status"] = lambda: end_of_rival(world)

    assert world.step().name == "Conflict"
    world.step()

    assert world.says == READY


def test_an_answer_that_the_end_of_the_other_resource_overtook_is_no_conflict() -> None:
    world = conflicting()
    world.edit_secret({})
    rival = Key(KEY.namespace, "other")

    world.cluster.meanwhile["get vaultsecret"] = lambda: world.vaultsecrets.drop(rival)
    result = run(world.reconcile(KEY))
    del world.cluster.vaultsecrets[rival]
    world.now += result.again
    world.step()

    assert (result.name, result.again) == ("superseded", 1.0)
    assert world.says == READY


def test_where_the_kind_is_not_served_nothing_is_adopted() -> None:
    world = adoptable(**{OWNER_KEY: "team/other"})
    world.cluster.faults["check served"] = [Absent()]

    assert world.step().name == "superseded"
    assert world.data == {"theirs": b""}


def test_of_two_who_adopt_the_first_wins() -> None:
    world = adoptable()
    rivalled(world)

    def adopted() -> None:
        body = world.cluster.secrets[KEY]
        notes = body["metadata"]["annotations"] | {OWNER_KEY: "team/other"}
        world.cluster.store(world.cluster.secrets, edited(body, annotations=notes))

    world.cluster.meanwhile["patch secret"] = adopted
    world.step()

    assert world.says == {"Ready": "!Conflict", "Stalled": "Conflict"}
    assert world.data == {"theirs": b""}


def test_a_conflict_is_told_in_the_same_words_after_a_start() -> None:
    world = World()
    world.cluster.meanwhile["create secret"] = lambda: world.cluster.store(
        world.cluster.secrets, foreign_secret(annotations={OWNER_KEY: "team/other"})
    )
    rivalled(world)
    assert world.step().name == "Conflict"
    world.start()

    assert (world.step().name, world.calls) == ("Conflict", [])


def test_a_create_that_loses_a_race_looks_before_it_writes() -> None:
    world = World()
    world.cluster.meanwhile["create secret"] = lambda: world.cluster.store(
        world.cluster.secrets, foreign_secret()
    )

    world.step()

    assert world.calls == ["create secret", "get secret", "update status"]
    assert world.says["Ready"] == "!Conflict"
    assert world.data == {"theirs": b""}


def test_our_own_secret_is_taken_back_by_its_name() -> None:
    world = World()
    ours = foreign_secret(
        annotations={OWNER_KEY: OWNER, VERSION: "4", FINGERPRINT: "x"}
    )
    world.cluster.store(world.cluster.secrets, ours)
    world.watch()

    world.step()

    assert world.calls == [REPAIR[0], "get vaultsecret", *REPAIR[1:]]
    assert world.data == {"token": CANARY.encode()}


def test_an_owner_reference_that_was_taken_away_is_put_back_after_one_look() -> None:
    world = synced()
    world.edit_secret(ownerReferences=[])

    world.step()

    assert world.calls == [REPAIR[0], "get vaultsecret", *REPAIR[1:]]
    assert world.cluster.secrets[KEY]["metadata"]["ownerReferences"]


def test_an_owner_reference_is_not_put_back_for_a_resource_that_is_going() -> None:
    world = synced()
    world.edit_secret(ownerReferences=[])
    going = edited(world.body, deletionTimestamp=NOW)
    world.cluster.store(world.cluster.vaultsecrets, going)

    assert world.step().name == "superseded"
    assert world.cluster.secrets[KEY]["metadata"]["ownerReferences"] == []


def test_a_secret_of_another_type_needs_a_person() -> None:
    world = World()
    ours = foreign_secret(annotations={OWNER_KEY: OWNER}) | {"type": "example.com/x"}
    world.cluster.store(world.cluster.secrets, ours)
    world.watch()

    assert world.step().name == "TypeDiffers"
    assert world.calls == ["get secret", "update status"]


def test_an_immutable_secret_has_a_reason_of_its_own() -> None:
    world = synced()
    world.cluster.secrets[KEY]["immutable"] = True
    world.edit({"sealed": {"token": sealed("another-value")}})

    assert world.step().name == "SecretImmutable"
    assert world.calls == ["patch secret", "get secret", "update status"]
    assert world.says["Stalled"] == "SecretImmutable"


# Races


def test_a_patch_of_a_secret_that_moved_looks_again() -> None:
    world = synced()
    world.edit({"sealed": {"token": sealed("another-value")}})
    moved = edited(world.cluster.secrets[KEY])
    world.cluster.meanwhile["patch secret"] = lambda: world.cluster.store(
        world.cluster.secrets, moved
    )

    world.step()

    assert world.calls[:3] == ["patch secret", "get secret", "patch secret"]
    assert (world.data, world.says) == ({"token": b"another-value"}, READY)


def test_a_patch_of_a_secret_that_is_gone_makes_it() -> None:
    world = synced()
    world.edit({"sealed": {"token": sealed("another-value")}})
    world.cluster.meanwhile["patch secret"] = world.cluster.secrets.clear

    world.step()

    assert world.calls[-2:] == ["create secret", "update status"]
    assert world.data == {"token": b"another-value"}


def test_a_secret_that_never_holds_still_is_tried_later() -> None:
    world = failing("create secret", Stale(), Stale(), Stale())

    result = world.step()

    assert (result.name, result.again) == ("ApiUnavailable", 1.0)
    assert world.says == {"Ready": "!ApiUnavailable", "Reconciling": "ApiUnavailable"}


def test_a_status_of_a_resource_that_moved_is_not_written() -> None:
    world = World()
    moved = edited(world.body)
    world.cluster.meanwhile["update status"] = lambda: world.cluster.store(
        world.cluster.vaultsecrets, moved
    )

    result = world.step()

    assert (result.name, result.again) == ("superseded", 1.0)
    world.now += 1.0
    world.step()
    assert world.says == READY


def test_where_the_view_stays_behind_the_waits_grow() -> None:
    world = failing("update status", *[Stale()] * 9)

    waits = []
    for _ in range(4):
        waits.append(world.step().again)
        world.now += waits[-1]

    # The first attempt writes the Secret: what the others are based on.
    assert waits == [1.0, 2.0, 4.0, 8.0]


def test_a_resource_that_goes_before_its_status_is_written_is_superseded() -> None:
    world = World()
    world.cluster.meanwhile["update status"] = world.cluster.vaultsecrets.clear

    assert world.step().name == "superseded"


# Failures


@pytest.mark.parametrize(
    "error",
    [DOWN, ApiForbidden("no right"), QuotaExceeded("no room")],
    ids=lambda error: type(error).__name__,
)
def test_what_passes_by_itself_is_tried_again(error: Exception) -> None:
    world = failing("create secret", error)
    reason = type(error).__name__

    result = world.step()

    assert (result.name, result.again, result.is_failure) == (reason, 1.0, True)
    assert world.says == {"Ready": f"!{reason}", "Reconciling": reason}
    assert world.status.observed_generation == -1
    assert world.events == []


def test_our_own_status_event_does_not_make_a_hot_loop() -> None:
    world = failing("create secret", DOWN)
    world.step()

    again = world.step()

    assert (again.name, again.again, world.calls) == ("waiting", 1.0, [])


def test_waits_double_and_the_status_is_written_once() -> None:
    world = failing("create secret", *[DOWN] * 5)

    waits, written = [], []
    for _ in range(5):
        waits.append(world.step().again)
        written.append("update status" in world.calls)
        world.now += waits[-1]

    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert written == [True, False, False, False, False]
    assert world.step().name == "reported"


def test_a_changed_spec_is_tried_at_once() -> None:
    world = failing("create secret", DOWN)
    world.step()

    world.edit({"sealed": {"token": sealed("another-value")}})

    assert (world.step().name, world.says) == ("reported", READY)


def test_what_needs_a_person_waits_for_a_change() -> None:
    world = World(sealed={"token": sealed(name="other")})

    result = world.step()

    assert (result.name, result.again) == ("TokenNotOpened", inf)
    assert world.says == {"Ready": "!TokenNotOpened", "Stalled": "TokenNotOpened"}
    assert world.status.observed_generation == 1
    assert (world.step().name, world.step().again) == ("waiting", inf)
    world.edit({"sealed": {"token": sealed()}})
    world.step()
    assert (world.says, world.events[-1].reason) == (READY, "Recovered")


SPECS: dict[str, tuple[Body, str]] = {
    "not understood": ({"sealed": CANARY}, "InvalidSpec"),
    "no source": ({"sealed": None}, "InvalidSpec"),
    "unknown type": ({"type": CANARY}, "InvalidSpec"),
    "unknown method": ({"authMethod": CANARY}, "InvalidSpec"),
    "unknown format": ({"target": {"formats": [CANARY]}}, "InvalidSpec"),
    "no format": ({"target": {"formats": []}}, "InvalidSpec"),
    "another type's format": ({"target": {"formats": ["env"]}}, "InvalidSpec"),
    "another type's setting": ({"location": {"bucket": "b"}}, "InvalidSpec"),
    "no such field": ({"target": {"template": {"a": "{{ b }}"}}}, "InvalidSpec"),
    "no such keys": ({"target": {"type": "kubernetes.io/tls"}}, "InvalidSpec"),
    "the same key twice": ({"target": {"template": {"token": "1"}}}, "KeyInvalid"),
    "no token": ({"sealed": {"token": CANARY}}, "TokenMalformed"),
    "a field too few": ({"type": "password"}, "FieldMissing"),
    "an empty value": ({"sealed": {"token": sealed("")}}, "ValueInvalid"),
    "an illegal key": (
        {"type": "opaque", "sealed": {"a b": sealed(field="a b")}},
        "KeyInvalid",
    ),
    "a foreign label": (
        {"target": {"labels": {"example.com/x": CANARY}}},
        "MetadataNotAllowed",
    ),
}


@pytest.mark.parametrize(("spec", "reason"), SPECS.values(), ids=SPECS)
def test_a_bad_spec_is_told_and_not_quoted(spec: Body, reason: str) -> None:
    world = World(**spec)

    result = world.step()

    assert (result.name, world.calls) == (reason, STATUS_ONLY)
    assert world.says == {"Ready": f"!{reason}", "Stalled": reason}
    assert CANARY not in f"{world.body['status']} {world.events} {result}"


def test_a_key_that_is_gone_is_told_and_nothing_is_deleted() -> None:
    world = synced()
    world.start(keyring(2))
    world.edit({"sealed": {"token": sealed("another-value")}})

    world.step()

    assert world.says == {"Ready": "!UnknownKeyId", "Stalled": "UnknownKeyId"}
    assert world.data == {"token": CANARY.encode()}


def test_where_the_key_of_the_fingerprint_is_gone_the_data_is_compared() -> None:
    world = synced()
    ring = keyring(2)
    world.start(ring)
    world.edit({"sealed": {"token": resealed(ring)}})

    world.step()

    assert world.calls[0] == "get secret"
    assert (world.status.version, world.status.key_id) == (1, ring.key_id)


def test_a_refused_secret_is_told_once() -> None:
    world = failing("create secret", ApiRejected("the API server refused the Secret"))

    assert world.step().name == "ApiRejected"
    assert world.says["Stalled"] == "ApiRejected"
    assert world.step().name == "waiting"


def test_an_api_that_refuses_even_the_status_is_waited_for() -> None:
    world = failing("update status", DOWN, DOWN)

    assert (world.step().again, world.status.conditions) == (1.0, [])
    world.now += 1.0
    assert world.step().name == "ApiUnavailable"


def test_a_repair_that_failed_says_so_until_it_works() -> None:
    world = synced()
    world.edit_secret({})
    world.cluster.faults["get secret"] = [DOWN]
    world.step()
    failed = world.says

    world.now += 1.0
    world.step()

    assert failed == {"Ready": "!ApiUnavailable", "Reconciling": "ApiUnavailable"}
    assert (world.says, world.data) == (READY, {"token": CANARY.encode()})


# Suspended


def test_a_suspended_resource_is_not_synced() -> None:
    world = World(suspend=True)

    world.step()

    assert world.calls == STATUS_ONLY
    assert world.says == {"Ready": "!Suspended", "Stalled": "Suspended"}
    assert (world.step().name, world.calls) == ("nothing", [])


def test_a_suspended_resource_is_as_it_was() -> None:
    world = synced()
    world.edit({"suspend": True})
    world.step()
    world.edit_secret({})

    assert (world.step().name, world.calls) == ("nothing", [])
    assert (world.says, world.status.observed_generation) == (READY, 2)


def test_a_resource_that_goes_on_repairs_what_it_let_be() -> None:
    world = synced()
    world.edit({"suspend": True})
    world.step()
    world.edit_secret({})

    world.edit({"suspend": False})
    world.step()

    assert (world.says, world.status.observed_generation) == (READY, 3)
    assert world.data == {"token": CANARY.encode()}


def test_a_spec_that_changed_while_suspended_waits() -> None:
    world = synced()
    world.edit({"suspend": True, "sealed": {"token": sealed("another-value")}})

    world.step()

    assert world.says == {"Ready": "!Suspended", "Stalled": "Suspended"}
    assert world.data == {"token": CANARY.encode()}


# Forced syncs


def test_a_forced_sync_looks_and_is_echoed() -> None:
    world = synced()
    world.edit(annotations={FORCE_SYNC: "now"})

    world.step()

    assert world.calls == ["get secret", "update status"]
    assert world.status.last_handled_sync == "now"
    assert world.step().name == "nothing"


def test_a_forced_sync_that_fails_is_echoed_all_the_same() -> None:
    world = synced()
    world.start(keyring(2))
    world.edit(annotations={FORCE_SYNC: "now"})

    world.step()

    assert world.status.last_handled_sync == "now"
    assert world.says == {"Ready": "Synced", "Fresh": "!UnknownKeyId"}
    assert world.step() == Result("waiting", inf)


def test_values_that_can_be_had_again_are_fresh_again() -> None:
    world = synced()
    world.start(keyring(2))
    world.edit(annotations={FORCE_SYNC: "now"})
    world.step()
    world.start()

    world.step()

    assert world.says == READY
    assert world.calls == ["update status"]


def test_a_forced_sync_of_a_secret_found_right_leaves_it_ready() -> None:
    world = synced()
    world.edit_secret(finalizers=["example.com/theirs"])
    world.step()
    world.reconcile.keyring = keyring(2)
    world.edit(annotations={FORCE_SYNC: "now"})

    world.step()

    assert world.says["Ready"] == "Synced"


def test_what_was_found_right_is_not_called_wrong_after_a_start() -> None:
    world = let_be()
    world.reconcile.keyring = keyring(2)
    world.edit(annotations={FORCE_SYNC: "now"})
    world.step()
    world.start(keyring(2))

    world.step()

    assert world.calls == []
    assert world.says == {"Ready": "Synced", "Fresh": "!UnknownKeyId"}


def test_what_cannot_be_repaired_is_told_the_same_after_a_start() -> None:
    world = synced()
    world.start(keyring(2))
    world.edit_secret({"token": ""})
    world.step()
    told = world.says
    world.start(keyring(2))

    world.step()

    assert world.calls == []
    assert world.says == told
    assert told["Fresh"] == "!UnknownKeyId"


def test_a_forced_sync_waits_while_suspended() -> None:
    world = synced()
    world.edit({"suspend": True}, annotations={FORCE_SYNC: "now"})

    world.step()

    assert world.status.last_handled_sync is None


def test_a_blip_is_not_told_and_an_outage_is() -> None:
    world = synced()
    world.edit(annotations={FORCE_SYNC: "now"})
    world.cluster.faults["get secret"] = [DOWN] * 20

    told = []
    while world.now < 1_120.0:
        world.now += world.step().again
        told.append("Fresh" in world.says)

    assert told == [False] * 6 + [True]


def test_a_forced_sync_in_a_bad_form_is_ignored_with_one_event() -> None:
    world = synced()
    world.edit(annotations={FORCE_SYNC: f"now {CANARY}"})

    assert [world.step().name, world.step().name] == ["nothing", "nothing"]
    assert world.events == [SYNC_IGNORED]
    assert CANARY not in SYNC_IGNORED.message


def test_each_bad_value_has_an_event_of_its_own() -> None:
    world = synced()
    for value in ("one one", "one one", "two two"):
        world.edit(annotations={FORCE_SYNC: value})
        world.step()

    assert world.events == [SYNC_IGNORED, SYNC_IGNORED]


# Labels and annotations of the target


def test_metadata_of_the_target_comes_and_goes() -> None:
    world = synced(target={"labels": {"team": "a"}, "annotations": {"note": "b"}})
    before = world.cluster.secrets[KEY]["metadata"]
    world.edit({"target": {}})

    world.step()

    after = world.cluster.secrets[KEY]["metadata"]
    assert before["annotations"][METADATA] == record(["team"], ["note"])
    assert "team" not in after["labels"]
    assert {"note", METADATA}.isdisjoint(after["annotations"])


def test_a_target_has_the_name_that_it_is_given() -> None:
    world = World(target={"name": "other"})

    world.step()

    assert [key.name for key in world.cluster.secrets] == ["other"]
    assert world.status.synced_secret
    assert world.status.synced_secret.name == "other"


def test_the_oldest_key_is_told() -> None:
    old, new = keyring(1), keyring(2, 1)
    tokens = {"new": resealed(new, "new"), "old": sealed(field="old")}
    world = World(new, type="opaque", sealed=tokens)

    world.step()

    assert (world.says, world.status.key_id) == (READY, old.key_id)


def test_a_format_that_renders_anew_is_written_once_with_the_same_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = synced(target={"formats": ["fields", "json"]})
    world.start(keyring())
    assert world.step().name == "nothing"
    monkeypatch.setattr(json, "LAYOUT", json.LAYOUT + 1)
    monkeypatch.setattr(json, "render", lambda _: {"new.json": b"{}"})

    world.step()

    assert world.calls == REPAIR
    assert world.data == {"new.json": b"{}", "token": CANARY.encode()}
    assert (world.says, world.status.version) == (READY, 1)
    assert world.step().name == "nothing"


def test_where_the_layout_is_another_the_secret_is_compared_and_it_is_noted() -> None:
    world = synced()
    world.body["status"]["syncedSecret"]["layout"] = 0
    world.apply(world.body)

    world.step()

    assert world.calls == ["get secret", "update status"]
    assert world.status.synced_secret
    assert world.status.synced_secret.layout == 1


# A credential that says when it expires

SOON = "2026-01-12T00:00:00Z"
WARNED_AT = "2026-01-10T00:00:00Z"


def signed(end: str) -> Body:
    url = f"https://canary.blob.core.windows.net/box?sig={CANARY}&se={end}"
    return {
        "type": "azure_blob",
        "authMethod": "azure_sas_url",
        "sealed": {"sas_url": sealed(url, "sas_url")},
    }


def expiring() -> World:
    """Return a world whose credential ends ten days from now."""
    return synced(**signed(SOON))


def warnings(world: World) -> list[str]:
    return [e.message for e in world.events if e.reason == "ExpiresSoon"]


def test_the_status_says_when_a_credential_expires() -> None:
    world = expiring()

    assert world.status.expires_at == SOON


def test_the_end_goes_when_the_next_value_has_none() -> None:
    world = expiring()
    world.edit(signed("never"))

    world.step()

    assert world.status.expires_at is None
    assert world.status.version == 2


def test_the_end_is_looked_at_once_a_day_and_warned_of_once_without_a_call() -> None:
    world = expiring()

    assert world.step().again == 24 * 3600
    world.wall = "2026-01-09T23:59:00Z"
    assert world.step().again == 60
    assert warnings(world) == []
    world.wall = WARNED_AT
    assert world.step().again == inf
    world.step()

    assert warnings(world) == [
        f"Version 1 of the credential expires at {SOON}: seal a new one."
    ]
    assert world.calls == []


def test_a_start_long_after_the_moment_warns_of_nothing() -> None:
    world = expiring()
    world.wall = SOON
    world.start()

    world.step()

    assert (warnings(world), world.calls) == ([], [])


def test_the_end_is_looked_at_also_while_a_new_spec_is_refused() -> None:
    world = expiring()
    world.edit({"sealed": {"sas_url": "vf1.x"}})

    assert world.step().again == 24 * 3600
    assert world.says["Stalled"] == "TokenMalformed"


def test_a_credential_that_comes_when_it_has_expired_is_refused() -> None:
    world = World(**signed("2026-01-01"))

    world.step()

    assert world.says == {"Ready": "!ValueExpired", "Stalled": "ValueExpired"}
    assert world.cluster.secrets == {}


def test_one_that_expired_does_not_take_the_place_of_one_that_is_there() -> None:
    world = expiring()
    before = world.data
    world.edit(signed("2026-01-01"))

    world.step()

    assert world.says["Stalled"] == "ValueExpired"
    assert world.data == before


def test_a_credential_that_expires_in_its_secret_stays_and_is_repaired() -> None:
    world = expiring()
    before = world.data
    world.wall = "2027-01-01T00:00:00Z"
    assert world.step().name == "nothing"
    world.edit_secret(data={})

    world.step()

    assert (world.says, world.data) == (READY, before)


def test_the_spec_around_a_credential_that_expired_can_be_changed() -> None:
    world = expiring()
    world.wall = "2027-01-01T00:00:00Z"
    world.edit({"target": {"labels": {"team": "storage"}}})

    world.step()

    assert (world.says, world.status.version) == (READY, 1)


def test_what_was_realised_before_ends_were_read_is_repaired_at_any_age() -> None:
    world = expiring()
    before = world.data
    del world.body["status"]["expiresAt"]
    world.apply(edited(world.body))
    world.wall = "2027-01-01T00:00:00Z"
    world.edit_secret(data={})

    world.step()

    assert (world.says, world.data) == (READY, before)
    assert world.status.expires_at == SOON
