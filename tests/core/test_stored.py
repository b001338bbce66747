"""What a status says of a store: where, of which version, and what of it is ours."""

from typing import Any

import pytest

from tests.builders import BEFORE, NOW, Body, condition, realised, realised_status
from tests.builders import vault_secret as resource_of
from vaultferry.core import stored
from vaultferry.core.condition import Condition
from vaultferry.core.conditions import decide
from vaultferry.core.errors import Conflict, NotStorable, StoreRefused, Unreachable
from vaultferry.core.outcome import Failed, Outcome, Realised, Suspended, Unchanged
from vaultferry.core.stored import FINALIZER, Place
from vaultferry.core.vaultsecret import FORCE_SYNC, Stored, VaultSecret

PLACE = Place("uid-of-store", "team", "store", "https://ssm", "/p/team/app")
OURS = dict(stored.tags("here", "team", "app"))
REFUSED = StoreRefused("no")


def there(**more: Any) -> Stored:
    known: Body = {"connection": "uid-of-store", "namespace": "team", "name": "store"}
    known |= {"address": "https://ssm", "path": "/p/team/app"}
    return Stored.model_validate(known | {"fields": ["token"], "version": 1} | more)


def resource(
    kept: Stored | None = None,
    *,
    said: Condition | None = None,
    metadata: Body | None = None,
    **spec: Any,
) -> VaultSecret:
    """Return a VaultSecret that is realised, with what its status says of a store."""
    plain = realised(**spec)
    status = realised_status(plain)
    if kept:
        status["stored"] = kept.model_dump(by_alias=True, exclude_none=True)
    if said:
        status["conditions"].append(said.model_dump(by_alias=True))
    known: Body = {"namespace": plain.namespace, "name": plain.name, "uid": plain.uid}
    known |= {"generation": 1, "resourceVersion": "1"}
    body = {"metadata": known | (metadata or {}), "spec": plain.raw_spec}
    return VaultSecret.parse(body | {"status": status})


STORED = condition("Stored", "True", "Stored")


def reasons(conditions: list[Condition]) -> dict[str, str]:
    return {c.type: c.reason for c in conditions}


def test_a_resource_without_a_store_is_of_no_concern() -> None:
    assert not stored.concerns(resource())


@pytest.mark.parametrize(
    "concerned",
    [
        resource(storeRef={"name": "store"}),
        resource(there()),
        resource(metadata={"finalizers": [FINALIZER]}),
    ],
    ids=["is to be kept", "is kept", "is held"],
)
def test_one_that_is_or_was_or_is_to_be_kept_is(concerned: VaultSecret) -> None:
    assert stored.concerns(concerned)


def test_what_is_there_in_its_present_version_is_kept() -> None:
    assert stored.is_kept(resource(there(), said=STORED), PLACE)


@pytest.mark.parametrize(
    "other",
    [
        resource(there()),
        resource(said=STORED),
        resource(there(), said=condition("Stored", "False", "Unreachable")),
        resource(there(version=2), said=STORED),
        resource(there(version=None), said=STORED),
        resource(there(connection="another"), said=STORED),
        resource(there(path="/p/team/other"), said=STORED),
        resource(there(), said=STORED, metadata={"annotations": {FORCE_SYNC: "again"}}),
    ],
    ids=[
        "nobody said so",
        "nothing is there",
        "it was said not to be",
        "another version is",
        "no version is known",
        "the connection is another",
        "the path is another",
        "somebody asks to compare",
    ],
)
def test_anything_else_is_looked_at(other: VaultSecret) -> None:
    assert not stored.is_kept(other, PLACE)


def test_a_forced_sync_is_answered_by_what_is_said_after_it() -> None:
    asked = resource(metadata={"annotations": {FORCE_SYNC: "again"}})
    ignored = resource(metadata={"annotations": {FORCE_SYNC: "not a word"}})

    assert stored.done(asked, PLACE, ["token"]) == there(lastHandledSync="again")
    assert stored.done(ignored, PLACE, ["token"]) == there()


def test_another_connection_of_the_same_name_leads_to_the_same_place() -> None:
    assert stored.is_there(there(connection="another"), PLACE)
    assert not stored.is_there(there(address="https://elsewhere"), PLACE)


def test_fields_are_said_before_they_are_written() -> None:
    assert stored.ahead(resource(), PLACE, ["b", "a"]) == there(
        fields=["a", "b"], version=None
    )
    assert stored.ahead(resource(there()), PLACE, ["b"]) == there(
        fields=["b", "token"], version=None
    )


def test_what_is_said_of_them_already_is_not_said_again() -> None:
    kept = there(fields=["a", "b"])

    assert stored.ahead(resource(kept), PLACE, ["a"]) == kept


def test_of_another_connection_it_is_said_anew() -> None:
    kept = there(connection="another")

    assert stored.ahead(resource(kept), PLACE, ["token"]) == there(version=None)


@pytest.mark.parametrize(
    ("found", "ours"),
    [
        (None, False),
        ({}, False),
        (dict(OURS), True),
        (OURS | {"cost-centre": "7"}, True),
        (OURS | {stored.INSTALLATION: "there"}, False),
        (OURS | {stored.NAMESPACE: "others"}, False),
        (OURS | {stored.NAME: "other"}, False),
        ({k: v for k, v in OURS.items() if k != stored.NAME}, False),
    ],
)
def test_ours_is_what_has_all_three_tags(
    found: dict[str, str] | None, *, ours: bool
) -> None:
    assert stored.is_ours(found, OURS) == ours


def test_what_is_not_ours_is_named() -> None:
    with pytest.raises(Conflict, match="the store has /p/a, /p/b, which is not"):
        stored.check_ours({"/p/b": {}, "/p/a": {"x": "y"}, "/p/c": OURS}, OURS)

    stored.check_ours({"/p/c": OURS, "/p/d": None}, OURS)


def test_the_condition_speaks_of_the_generation_whose_values_are_there() -> None:
    later = resource(said=STORED, metadata={"generation": 3})

    after = stored.with_stored(later, there(), 2, NOW)

    said = after.condition("Stored")
    assert said is not None
    assert (said.status, said.reason, said.observed_generation) == ("True", "Stored", 2)
    assert said.last_transition_time == BEFORE
    assert after.stored == there()


def test_a_failure_is_said_beside_what_else_is_and_keeps_where_the_values_are() -> None:
    after = stored.with_failure(resource(there(), said=STORED), REFUSED, NOW)

    assert reasons(after.conditions) == {"Ready": "Synced", "Stored": "StoreRefused"}
    said = after.condition("Stored")
    assert said is not None
    assert (said.status, said.message, said.last_transition_time) == (
        "False",
        "no",
        NOW,
    )
    assert after.stored == there()


def test_a_failure_that_passes_takes_the_place_of_no_other() -> None:
    before = resource(said=condition("Stored", "False", "StoreRefused"))

    passing = stored.with_failure(before, Unreachable("down"), NOW)
    lasting = stored.with_failure(before, NotStorable("large"), NOW)

    assert reasons(passing.conditions)["Stored"] == "StoreRefused"
    assert reasons(lasting.conditions)["Stored"] == "NotStorable"


def test_without_a_store_nothing_is_said_of_one() -> None:
    after = stored.without(resource(there(), said=STORED))

    assert (after.stored, reasons(after.conditions)) == (None, {"Ready": "Synced"})


def test_what_is_left_is_told_by_its_names() -> None:
    event = stored.left(there(), REFUSED)

    assert (event.type, event.reason) == ("Warning", "LeftInStore")
    assert event.message == (
        "Left in the store of VaultConnection team/store (StoreRefused): /p/team/app "
        "with token. Delete it there."
    )


def test_finalizers_of_others_stay() -> None:
    theirs = resource(metadata={"finalizers": ["example.com/theirs", FINALIZER]})

    assert stored.finalizers(theirs, held=False) == ["example.com/theirs"]
    assert stored.finalizers(theirs, held=True) == ["example.com/theirs", FINALIZER]
    assert stored.finalizers(resource(), held=True) == [FINALIZER]


def test_only_what_differs_is_written() -> None:
    values = {"a": b"1", "b": b"2", "c": b"3"}

    assert stored.differing(values, {"a": b"1", "b": b"x"}) == {"b": b"2", "c": b"3"}


def test_a_field_has_a_name_below_the_path() -> None:
    assert PLACE.of("token") == "/p/team/app/token"


@pytest.mark.parametrize(
    "outcome", [Realised(), Unchanged(), Failed(REFUSED), Suspended()], ids=repr
)
def test_what_a_store_says_is_as_it_was_whatever_becomes_of_the_secret(
    outcome: Outcome,
) -> None:
    after = decide([STORED], outcome, 2, NOW)

    assert [c for c in after if c.type == "Stored"] == [STORED]


def test_which_store_is_no_part_of_what_the_secret_realises() -> None:
    plain = resource_of()

    assert resource_of(storeRef={"name": "store"}).spec_digest == plain.spec_digest
    assert resource_of(storeRef={"name": "store"}).store == ("team", "store")
    other = resource_of(storeRef={"name": "store", "namespace": "vaults"})
    assert other.store == ("vaults", "store")
