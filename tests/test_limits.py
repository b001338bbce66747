"""Places of a vault that lets few calls through, by a clock of the test's own."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from math import inf

from tests.running import run
from tests.test_places import CONNECTION, World
from tests.vault import LimitedVault
from vaultferry.core.errors import Unreachable
from vaultferry.places import PlaceKey
from vaultferry.views import Key

MINUTE = 60.0


def limited(names: Iterable[str], *, says: bool = True) -> tuple[World, LimitedVault]:
    """Return a world whose vault lets sixty calls through in a minute."""
    there = World()
    vault = LimitedVault({name: {"A": b"1"} for name in names}, says=says)
    vault.clock = lambda: there.now
    there.vault = vault
    there.connect()
    return there, vault


def follow(there: World, name: str, *, interval: float = inf) -> None:
    """Have a place followed; what is before the slash is the namespace of its user."""
    there.use(Key(name.partition("/")[0], name), name, interval=interval)


def want(there: World, name: str, after: float = -inf) -> None:
    there.want(Key(name.partition("/")[0], name), name, after)


def had(count: int) -> tuple[World, LimitedVault, list[str]]:
    """Return a world where so many places of one namespace were had, long ago."""
    names = [f"big/{number}" for number in range(count)]
    there, vault = limited([*names, "small/0", "small/1"])
    for name in [*names, "small/0"]:
        follow(there, name)
        want(there, name)
    there.work((count // 60 + 3) * MINUTE)
    assert set(vault.calls) == {*names, "small/0"}
    vault.calls.clear()
    return there, vault, names


def test_many_more_places_than_calls_are_all_had_and_the_vault_never_says_no() -> None:
    names = [f"big/{number}" for number in range(500)]
    there, vault = limited(names)
    for name in names:
        follow(there, name)
        want(there, name)
    there.work(10 * MINUTE)

    assert sorted(vault.calls) == sorted(names)
    assert vault.refused == 0
    assert there.places.in_line == 0


def test_a_vault_that_says_nothing_is_left_alone_when_it_says_no() -> None:
    names = [f"big/{number}" for number in range(100)]
    there, vault = limited(names, says=False)
    for name in names:
        follow(there, name)
        want(there, name)
    there.work(3 * MINUTE)

    assert set(vault.calls) == set(names)
    assert vault.refused == 1


def test_a_namespace_with_a_thousand_places_does_not_keep_one_waiting() -> None:
    there, vault, names = had(1000)
    there.work(MINUTE)
    vault.calls.clear()
    for name in names:
        want(there, name, there.now)
    there.work(5.0)
    assert there.places.in_line > 900
    vault.calls.clear()

    want(there, "small/0", there.now)
    there.work(MINUTE)

    assert vault.calls.index("small/0") <= 3


def test_what_was_never_had_is_fetched_at_once_though_others_wait() -> None:
    there, vault, names = had(300)
    there.work(MINUTE)
    for name in names:
        want(there, name, there.now)
    there.work(MINUTE / 2)
    waiting = there.places.in_line
    assert waiting > 200

    follow(there, "small/1")
    want(there, "small/1")
    vault.calls.clear()
    there.work(0.0)

    assert vault.calls == ["small/1"]
    assert there.places.in_line == waiting


def test_refreshes_are_spread_when_calls_get_scarce() -> None:
    there, vault, names = had(90)
    there.work(3 * MINUTE)
    times: list[float] = []
    vault.during = lambda: times.append(there.now)
    for name in names:
        want(there, name, there.now)
    there.work(3 * MINUTE)

    begin = times[0]
    gaps = [after - before for before, after in pairwise(times)]
    counted = Counter(int((time - begin) // MINUTE) for time in times)
    assert counted[0] < 60
    assert len(times) >= 90
    # It never ran dry and then waited for the end of the minute.
    assert max(gaps) < 15.0
    assert vault.refused == 0


def test_who_others_call_too_gets_what_is_left() -> None:
    there, vault, names = had(100)
    there.work(2 * MINUTE)
    vault.ends, vault.left = there.now + MINUTE, 5
    for name in names:
        want(there, name, there.now)
    there.work(MINUTE - 1.0)

    assert vault.refused == 0
    assert 1 <= len(vault.calls) <= 6


def test_a_place_that_nobody_uses_any_more_leaves_the_line() -> None:
    there, vault, names = had(200)
    there.work(MINUTE)
    for name in names:
        want(there, name, there.now)
    there.work(1.0)
    assert there.places.in_line
    for name in names:
        there.places.forget(Key("big", name))

    assert there.places.in_line == 0
    vault.calls.clear()
    there.work(2 * MINUTE)
    assert vault.calls == []


def test_a_check_is_not_made_where_hardly_a_call_is_left() -> None:
    there, vault, _ = had(100)
    vault.ends, vault.left = there.now + MINUTE, 1
    want(there, "small/0", there.now)
    there.work(1.0)
    vault.calls.clear()

    run(there.places.check(CONNECTION))
    assert (vault.calls, vault.refused) == ([], 0)

    there.now += MINUTE
    run(there.places.check(CONNECTION))
    assert vault.calls == ["check"]


def test_those_in_line_learn_of_an_outage_after_the_wait_and_are_fetched_after_it() -> (
    None
):
    there, vault, names = had(120)
    there.work(2 * MINUTE)
    for name in names:
        want(there, name, there.now)
    there.work(1.0)
    there.wakes()
    vault.ends = there.now
    vault.failure = Unreachable("away")
    there.work(3 * MINUTE)
    assert there.places.look(PlaceKey(CONNECTION, names[-1])).failure
    vault.failure = None
    vault.calls.clear()
    there.work(5 * MINUTE)

    assert set(vault.calls) >= {names[-1]}
    assert there.places.look(PlaceKey(CONNECTION, names[-1])).failure is None
    assert vault.refused == 0
