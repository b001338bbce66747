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
