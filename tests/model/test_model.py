"""The model by itself: it is what all else is compared with."""

from dataclasses import replace

from tests.model.model import (
    Declared,
    Resource,
    Secret,
    State,
    Status,
    reachable,
    settled,
)
from tests.model.shared import Shared

KEYS = ("one", "two")
A, B = frozenset({("key", "a")}), frozenset({("key", "b")})
APP = Declared("app", 1, "Opaque", A, sealed=1, keys=frozenset({"one"}))
RIVAL = replace(APP, name="app-rival", born=2)
FOREIGN = Secret(None, "Opaque", B)


def state(*declared: Declared, secret: Secret | None = None) -> State:
    return State(tuple(Resource(each) for each in declared), secret)


def end(begin: State, keys: tuple[str, ...] = KEYS) -> State:
    """Return the only state in which it can end."""
    (found,) = settled({begin}, keys)
    return found


def edited(begin: State, declared: Declared) -> State:
    before = begin.get(declared.name)
    assert before is not None
    return begin.put(Resource(declared, replace(before.status, observed=False)))


def status(found: State, name: str = "app") -> Status:
    resource = found.get(name)
    assert resource is not None
    return resource.status


def test_what_is_declared_ends_in_a_secret() -> None:
    found = end(state(APP))

    assert found.secret is not None
    assert (found.secret.data, found.secret.reference) == (A, 1)
    assert (status(found).ready, status(found).version) == (True, 1)


def test_what_is_at_rest_stays() -> None:
    found = end(state(APP))

    assert end(found) == found


def test_a_changed_value_counts_and_a_new_sealing_does_not() -> None:
    synced = end(state(APP))

    changed = end(edited(synced, replace(APP, values=B, sealed=2)))
    sealed = end(edited(synced, replace(APP, sealed=2)))

    assert (status(changed).version, status(sealed).version) == (2, 1)


def test_a_foreign_secret_is_not_touched() -> None:
    found = end(state(APP, secret=FOREIGN))

    assert found.secret == FOREIGN
    assert (status(found).ready, status(found).reason) == (False, "Conflict")


def test_of_two_that_want_one_secret_either_wins() -> None:
    ends = settled({state(APP, RIVAL)}, KEYS)

    winners = {found.secret.owner for found in ends if found.secret}
    losers = {
        each.declared.name
        for found in ends
        for each in found.resources
        if each.status.reason == "Conflict"
    }
    assert winners == losers == {"app", "app-rival"}


def test_the_secret_of_one_that_is_gone_is_collected() -> None:
    synced = end(state(APP))

    assert end(synced.drop("app")).secret is None


def test_what_is_suspended_is_left_as_it_is() -> None:
    synced = end(state(APP))

    found = end(edited(synced, replace(APP, values=B, sealed=2, suspended=True)))

    assert found.secret == synced.secret
    assert status(found).reason == "Suspended"


def test_without_its_key_nothing_is_written() -> None:
    synced = end(state(APP))

    found = end(edited(synced, replace(APP, values=B, sealed=2)), keys=("two",))

    assert found.secret == synced.secret
    assert status(found).reason == "UnknownKeyId"


def test_a_late_write_may_hold_what_was_declared_before() -> None:
    synced = end(state(APP))
    broken = edited(synced, replace(APP, sealed=2, wrong="TokenNotOpened"))
    bare = replace(broken, secret=None)

    ends = settled(reachable({bare}, {Resource(APP)}, KEYS), KEYS)

    assert {each.secret is None for each in ends} == {True, False}


def test_a_late_write_for_what_is_gone_goes_on_from_its_version() -> None:
    orphan = replace(APP, owned=False)
    synced = end(state(orphan))
    changed = edited(synced, replace(orphan, values=B, sealed=2)).get("app")
    assert changed is not None

    ends = settled(reachable({synced.drop("app")}, {changed}, KEYS), KEYS)

    found = {(each.secret.data, each.secret.version) for each in ends if each.secret}
    assert found == {(A, 1), (B, 2)}


GUEST = replace(APP, merges=True)
HOST = Shared(frozenset({("theirs", "c", None)}))


def hosted(*declared: Declared, host: Shared | None = HOST) -> State:
    return replace(state(*declared), shared=host)


def held(found: State) -> dict[str, str]:
    assert found.shared is not None
    return {key: value for key, value, _ in found.shared.data}


def test_merged_keys_come_and_go_beside_those_of_others() -> None:
    merged = end(hosted(GUEST))
    changed = end(edited(merged, replace(GUEST, values=B, sealed=2)))

    assert held(merged) == {"theirs": "c", "key": "a"}
    assert (held(changed)["key"], status(changed).version) == ("b", 2)
    assert end(changed.drop("app")).shared == HOST


def test_of_two_that_merge_one_key_either_wins() -> None:
    ends = settled({hosted(GUEST, replace(RIVAL, merges=True))}, KEYS)

    said = {tuple(each.status.reason for each in found.resources) for found in ends}
    assert said == {("Synced", "Conflict"), ("Conflict", "Synced")}


def test_a_merged_key_that_somebody_sets_is_theirs() -> None:
    merged = end(hosted(GUEST))
    assert merged.shared is not None

    found = end(replace(merged, shared=merged.shared.set("key", "by hand")))

    assert (held(found)["key"], status(found).reason) == ("by hand", "Conflict")


def test_nothing_is_merged_without_a_secret_or_its_consent() -> None:
    absent = end(hosted(GUEST, host=None))
    refused = end(hosted(GUEST, host=replace(HOST, consents=False)))

    assert (absent.shared, status(absent).reason) == (None, "TargetMissing")
    assert (held(refused), status(refused).reason) == ({"theirs": "c"}, "NotAllowed")
