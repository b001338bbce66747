"""The places of vaults, against a session that answers as it is told."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice, pairwise
from math import inf
from types import MappingProxyType

import pytest

from tests.cputime import ratio
from tests.running import run
from tests.vault import BatchingVault, ListeningVault, Vault
from vaultferry.core.errors import (
    AuthenticationFailed,
    PlaceForbidden,
    PlaceMissing,
    RateLimited,
    Unreachable,
    VaultFailure,
)
from vaultferry.core.urgency import Lane
from vaultferry.places import DEFAULT_ROOM, Around, PlaceKey, Places
from vaultferry.views import Key

CONNECTION = Key("team", "vault")
HOUR = 3600.0
USERS = [Key("team", f"db-{number}") for number in range(5)]


class World:
    """Places that are worked on when they are due, by a clock of its own."""

    def __init__(self, *names: str, room: int = DEFAULT_ROOM) -> None:
        self.now = 1_000.0
        self.due: dict[PlaceKey, float] = {}
        self.woken: list[tuple[Key, Lane]] = []
        self.told: list[Key] = []
        self.counted: list[str] = []
        self.used: list[Key] = []
        self.places = Places(
            lambda key, _: self.due.update({key: self.now}),
            lambda key, lane: self.woken.append((key, lane)),
            self.told.append,
            Around(
                lambda: self.now,
                lambda: 1_700_000_000.0 + self.now,
                self.counted.append,
                self.used.append,
                room,
            ),
        )
        self.vault = Vault({name: {"A": b"1"} for name in names})
        self.connect()

    def connect(self, heard: float = -inf) -> None:
        self.places.connect(CONNECTION, "first", self.vault, heard)

    def use(self, user: Key, *names: str, interval: float = HOUR) -> None:
        keys = [PlaceKey(CONNECTION, name) for name in names]
        self.places.use(user, dict.fromkeys(keys, interval))

    def want(self, user: Key, name: str = "a", after: float = -inf) -> None:
        self.places.want(user, PlaceKey(CONNECTION, name), after)

    def work(self, seconds: float = 0.0) -> None:
        """Let time pass, and work on each place when it is due."""
        end = self.now + seconds
        while self.due and min(self.due.values()) <= end:
            key = min(self.due, key=lambda each: self.due[each])
            self.now = max(self.now, self.due.pop(key))
            again = run(self.places(key))
            if again < inf:
                self.due.setdefault(key, self.now + again)
        self.now = end

    def fetch_at_once(self) -> None:
        """Work on all places that are due side by side."""

        async def fetch() -> None:
            await asyncio.gather(*(self.places(key) for key in self.due))

        run(fetch())

    def wakes(self) -> set[Key]:
        woken, self.woken = {key for key, _ in self.woken}, []
        return woken


def world(users: int = 1, *, interval: float = HOUR) -> World:
    """Return a world where users have had what is at one place."""
    there = World("a")
    for user in USERS[:users]:
        there.use(user, "a", interval=interval)
        there.want(user)
    there.work()
    assert there.vault.calls == ["a"]
    assert there.wakes() == set(USERS[:users])
    there.vault.calls.clear()
    return there


def two_places() -> World:
    """Return a world where a user each wants what is at two places."""
    there = World("a", "b")
    for name in "ab":
        there.use(Key("team", name), name)
        there.want(Key("team", name), name)
    return there


def look(there: World, name: str = "a") -> Mapping[str, bytes]:
    document = there.places.look(PlaceKey(CONNECTION, name)).document
    assert document is not None
    return document.values


def lasting(there: World, name: str, *, after: float) -> bool:
    """Tell whether, after some seconds, the failure of a place is said to last."""
    there.work(after)
    return there.places.look(PlaceKey(CONNECTION, name)).is_lasting


def test_what_many_use_is_fetched_once() -> None:
    there = world(users=5)

    assert look(there) == {"A": b"1"}


def test_what_nobody_waits_for_is_fetched_within_the_interval() -> None:
    there = World("a")
    there.use(USERS[0], "a")

    there.work()
    assert there.vault.calls == []

    there.work(HOUR)
    assert there.vault.calls == ["a"]


def test_a_place_is_fetched_once_in_the_shortest_interval_of_its_users() -> None:
    there = world(users=5)
    there.use(USERS[1], "a", interval=600.0)

    there.work(10 * 600.0)

    assert len(there.vault.calls) == 10


def test_of_the_intervals_of_users_that_went_or_changed_none_counts() -> None:
    there = world(users=3, interval=600.0)
    there.use(USERS[0], "a", interval=60.0)
    there.use(USERS[0], "a", interval=HOUR)
    there.use(USERS[1], "a", interval=60.0)
    there.places.forget(USERS[1])
    there.use(USERS[2], "a", interval=HOUR)

    there.work(10 * HOUR)

    assert len(there.vault.calls) == 10


def test_who_waits_and_changes_its_interval_goes_on_waiting() -> None:
    there = World("a")
    there.use(USERS[0], "a")
    there.want(USERS[0])
    there.use(USERS[0], "a", interval=600.0)
    there.work()

    assert there.wakes() == {USERS[0]}


def test_a_user_more_costs_the_same_however_many_there_are() -> None:
    few, many, names = World("a"), World("a"), count()

    def more(there: World, users: int = 50) -> None:
        for number in islice(names, users):
            there.use(Key("team", f"user-{number}"), "a")

    more(many, 20_000)

    # A look at all of them for each one more takes several times as long.
    assert ratio(lambda: more(many), lambda: more(few)) < 2


def test_what_is_never_refreshed_is_fetched_when_it_is_wanted() -> None:
    there = world(interval=inf)

    there.work(100 * HOUR)
    assert there.vault.calls == []

    there.want(USERS[0], after=there.now)
    there.work(1.0)
    assert there.vault.calls == ["a"]


def test_an_unchanged_place_wakes_nobody() -> None:
    there = world(users=5)
    there.work(3 * HOUR)

    assert len(there.vault.calls) == 3
    assert there.wakes() == set()


def test_a_change_wakes_all_users_once() -> None:
    there = world(users=5)
    there.vault.holds["a"] = {"A": b"2"}
    there.work(3 * HOUR)

    assert sorted(key for key, _ in there.woken) == USERS
    assert {lane for _, lane in there.woken} == {Lane.ROUTINE}
    assert look(there) == {"A": b"2"}


def test_the_same_values_with_another_tag_are_no_change() -> None:
    there = world(users=2)
    stamp = there.places.look(PlaceKey(CONNECTION, "a")).stamp
    there.vault.holds["a"] = MappingProxyType({"A": b"1"})  # It has another `repr`.
    there.work(HOUR)

    assert there.places.look(PlaceKey(CONNECTION, "a")).stamp == stamp
    assert there.wakes() == set()


def test_the_same_values_from_somewhere_else_are_a_change() -> None:
    there = world()
    there.vault.origins = {"A": "b/A"}
    there.work(HOUR)

    assert there.wakes() == {USERS[0]}


def test_many_who_want_something_newer_are_answered_by_one_call() -> None:
    there = world(users=5)
    there.work(10.0)
    for user in USERS:
        there.want(user, after=there.now)
    there.work(5.0)

    assert there.vault.calls == ["a"]
    assert there.wakes() == set(USERS)


def test_who_wants_something_newer_than_a_call_under_way_gets_another() -> None:
    there = world(users=2)
    there.work(10.0)
    wanted: list[float] = []

    def during() -> None:
        if not wanted:
            wanted.append(there.now)
            there.now += 0.1
            there.want(USERS[1], after=there.now)

    there.vault.during = during
    there.want(USERS[0], after=there.now)
    there.work(5.0)

    assert there.vault.calls == ["a", "a"]
    assert there.places.look(PlaceKey(CONNECTION, "a")).asked > wanted[0]


def test_a_vault_that_is_dead_is_called_once_a_minute_for_all_its_places() -> None:
    names = [f"place-{number}" for number in range(100)]
    there = World(*names)
    for number, name in enumerate(names):
        user = Key("team", f"user-{number}")
        there.use(user, name, interval=60.0)
        there.want(user, name)
    there.work()
    there.vault.calls.clear()
    there.vault.failure = Unreachable("away")

    there.work(600.0)

    # The first failure is tried again after a moment, for most are over then.
    assert len(there.vault.calls) <= 12
    assert there.told == [CONNECTION]


def test_calls_that_were_under_way_when_a_vault_failed_count_as_one_failure() -> None:
    there = two_places()
    there.vault.failure = Unreachable("away")

    there.vault.pause = 0.01
    there.fetch_at_once()
    there.due = dict.fromkeys(there.due, there.now)
    there.vault.failure = None
    there.work(6.0)

    assert len(there.vault.calls) == 4
    assert there.counted == ["Unreachable", "Unreachable", "changed", "changed"]
    assert there.told == [CONNECTION, CONNECTION]


def test_a_blip_is_told_to_nobody() -> None:
    there = world(users=5, interval=60.0)
    there.vault.failure = Unreachable("away")
    there.work(61.0)
    there.vault.failure = None
    there.work(60.0)

    assert not there.places.look(PlaceKey(CONNECTION, "a")).is_lasting


def test_an_outage_is_told_once_to_all_and_its_end_as_well() -> None:
    there = world(users=5, interval=60.0)
    there.vault.failure = Unreachable("away")
    there.work(600.0)

    assert sorted(key for key, _ in there.woken) == USERS
    assert there.places.look(PlaceKey(CONNECTION, "a")).is_lasting
    assert look(there) == {"A": b"1"}

    there.woken.clear()
    there.vault.failure = None
    there.work(120.0)

    assert sorted(key for key, _ in there.woken) == USERS
    assert there.places.look(PlaceKey(CONNECTION, "a")).failure is None
    assert there.told == [CONNECTION, CONNECTION]


def test_when_a_vault_is_back_all_that_was_due_is_fetched_at_once() -> None:
    names = [f"place-{number}" for number in range(20)]
    there = World(*names)
    for number, name in enumerate(names):
        user = Key("team", f"user-{number}")
        there.use(user, name, interval=60.0)
        there.want(user, name)
    there.work()
    there.vault.failure = Unreachable("away")
    there.work(300.0)
    there.vault.failure = None
    there.vault.calls.clear()

    while not there.vault.calls:
        there.work(1.0)
    there.work(2.0)

    assert set(there.vault.calls) == set(names)


def test_who_waits_learns_of_the_first_failure() -> None:
    there = World("a")
    there.vault.failure = AuthenticationFailed("no")
    there.use(USERS[0], "a")
    there.want(USERS[0])
    there.work()

    assert there.wakes() == {USERS[0]}
    answer = there.places.look(PlaceKey(CONNECTION, "a"))
    assert isinstance(answer.failure, AuthenticationFailed)
    assert not answer.is_lasting


def test_who_waits_and_learned_of_a_failure_learns_that_it_is_over() -> None:
    there = World("a")
    there.vault.failure = Unreachable("away")
    there.use(USERS[0], "a")
    there.want(USERS[0])
    there.work()
    there.wakes()
    there.vault.failure = None
    there.work(60.0)

    assert there.wakes() == {USERS[0]}


def test_a_vault_is_left_alone_as_long_as_it_asks_for() -> None:
    there = world(interval=60.0)
    there.vault.failure = RateLimited("slower", wait=900.0)
    there.work(800.0)

    assert len(there.vault.calls) == 1


@pytest.mark.parametrize(
    "failure",
    [RateLimited("slower", wait=900.0), AuthenticationFailed("locked", wait=330.0)],
)
def test_an_outage_is_told_after_a_minute_however_long_the_vault_is_left_alone(
    failure: VaultFailure,
) -> None:
    there = two_places()
    there.work()
    there.vault.calls.clear()
    there.vault.failure = failure
    there.want(Key("team", "a"), "a", after=there.now + 2)
    there.work(30.0)
    # The other one learns of it while the vault is left alone already.
    there.want(Key("team", "b"), "b", after=there.now)

    assert not lasting(there, "a", after=25.0)
    assert lasting(there, "a", after=10.0)
    assert not lasting(there, "b", after=0.0)
    assert lasting(there, "b", after=30.0)
    assert there.vault.calls == ["a"]


def test_a_failure_of_the_same_moment_does_not_shorten_what_a_vault_asked_for() -> None:
    there = two_places()
    failures = [RateLimited("slower", wait=900.0), Unreachable("away")]

    def fail() -> None:
        there.vault.failure = failures.pop(0)

    there.vault.during = fail

    there.fetch_at_once()
    there.due = dict.fromkeys(there.due, there.now)
    there.work(890.0)

    assert len(there.vault.calls) == 2


def test_a_place_that_is_missing_does_not_keep_others_from_being_fetched() -> None:
    there = two_places()
    there.work()
    there.vault.calls.clear()
    there.vault.failure = PlaceMissing("gone")
    there.want(Key("team", "a"), "a", after=there.now + 2)
    there.work(3.0)
    there.vault.failure = None
    there.want(Key("team", "b"), "b", after=there.now)
    there.work(1.0)

    assert there.vault.calls == ["a", "b"]
    assert there.told == []
    assert there.places.look(PlaceKey(CONNECTION, "a")).is_lasting


@pytest.mark.parametrize(
    ("interval", "wait"), [(60.0, 300.0), (HOUR, HOUR), (24 * HOUR, HOUR), (inf, HOUR)]
)
def test_what_needs_a_person_is_looked_at_now_and_then(
    interval: float, wait: float
) -> None:
    there = world(interval=interval)
    there.vault.failure = PlaceMissing("gone")
    there.want(USERS[0], after=there.now + 2)
    there.work(5.0)
    there.vault.calls.clear()

    there.work(10 * wait)

    assert len(there.vault.calls) in {9, 10}


def test_a_place_without_users_is_forgotten() -> None:
    there = world(users=2)
    there.use(USERS[0])
    assert len(there.places) == 1

    there.places.forget(USERS[1])
    assert len(there.places) == 0

    there.work(5 * HOUR)
    assert there.vault.calls == []


def test_another_session_knows_nothing_of_what_the_one_before_was_told() -> None:
    there = world()
    there.connect()

    assert there.places.look(PlaceKey(CONNECTION, "a")).document is None
    assert there.places.version(CONNECTION) == "first"

    there.places.disconnect(CONNECTION)
    assert there.places.version(CONNECTION) is None


def test_what_a_session_is_told_that_was_replaced_reaches_nobody() -> None:
    there = world()
    there.vault.holds["a"] = {"A": b"2"}
    there.vault.during = there.connect
    there.want(USERS[0], after=there.now + 2)
    there.work(5.0)

    assert there.places.look(PlaceKey(CONNECTION, "a")).document is None


def test_a_check_is_made_only_where_the_vault_is_not_left_alone() -> None:
    there = World()
    run(there.places.check(CONNECTION))
    assert there.places.heard(CONNECTION) == there.now

    there.vault.failure = Unreachable("away")
    for _ in range(5):
        run(there.places.check(CONNECTION))

    assert there.vault.calls == ["check", "check"]
    assert isinstance(there.places.health(CONNECTION), Unreachable)
    assert there.told == [CONNECTION]


def test_of_a_connection_that_is_not_open_nothing_is_known() -> None:
    there = World()
    other = Key("team", "other")
    run(there.places.check(other))
    there.places.use(USERS[0], {PlaceKey(other, "a"): HOUR})
    there.places.want(USERS[0], PlaceKey(other, "a"), 0.0)

    assert there.places.look(PlaceKey(other, "a")).document is None
    assert there.places.health(other) is None
    assert there.places.heard(other) == -inf
    assert run(there.places(PlaceKey(other, "a"))) == inf


def test_neither_a_document_nor_an_answer_shows_a_value() -> None:
    there = World("a")
    there.vault.holds["a"] = {"A": b"canary"}
    there.use(USERS[0], "a")
    there.want(USERS[0])
    there.work()
    answer = there.places.look(PlaceKey(CONNECTION, "a"))

    shown = repr(answer), repr(answer.document), repr(vars(there.places))
    assert "canary" not in str(shown)


def test_what_comes_from_elsewhere_now_is_news_though_the_values_are_the_same() -> None:
    there = world()
    there.vault.origins = {"A": "other/A"}
    there.work(HOUR)

    assert there.vault.calls == ["a"]
    assert there.wakes() == {USERS[0]}


NAMES = [f"place-{number}" for number in range(200)]


def batching(*names: str, interval: float = HOUR) -> tuple[World, BatchingVault]:
    """Return a world whose vault answers ten places by a call; each has a user."""
    there = World()
    vault = BatchingVault({name: {"A": b"1"} for name in names})
    there.vault = vault
    there.connect()
    for name in names:
        there.use(Key("team", name), name, interval=interval)
    return there, vault


def asked(vault: Vault) -> list[int]:
    """Return how many places each call was for, and forget the calls."""
    calls, vault.calls = vault.calls, []
    return [len(call.split("+")) for call in calls]


def test_two_hundred_places_that_share_calls_cost_twenty_at_first_and_each_time() -> (
    None
):
    there, vault = batching(*NAMES)
    for name in NAMES:
        there.want(Key("team", name), name)
    there.work(5.0)
    assert asked(vault) == [10] * 20
    assert there.wakes() == {Key("team", name) for name in NAMES}

    there.work(HOUR)
    assert asked(vault) == [10] * 20
    assert there.counted == ["changed"] * 20 + ["unchanged"] * 20
    there.work(10 * HOUR)
    assert asked(vault) == [10] * 200
    assert there.wakes() == set()


def test_places_that_are_wanted_one_after_the_other_share_a_call() -> None:
    there, vault = batching(*NAMES[:10])
    for name in NAMES[:10]:
        there.want(Key("team", name), name)
        there.work(0.004)
    there.work(1.0)

    assert asked(vault) == [10]


def test_calls_that_places_share_are_apart() -> None:
    there, vault = batching(*NAMES)
    times: list[float] = []
    vault.during = lambda: times.append(there.now)
    for name in NAMES:
        there.want(Key("team", name), name)
    there.work(10.0)

    gaps = [after - before for before, after in pairwise(times)]
    assert len(times) == 20
    assert min(gaps) >= 0.049
    assert times[-1] - times[0] < 3.0


def test_what_somebody_waits_for_is_fetched_before_what_is_due_by_itself() -> None:
    there, vault = batching(*NAMES[:40], interval=60.0)
    there.work(61.0)
    asked(vault)
    there.now += 60.0
    last = NAMES[39]
    there.want(Key("team", last), last, after=there.now)
    there.work(0.06)

    assert last in vault.calls[0].split("+")


def test_a_place_that_shares_no_call_is_fetched_alone_and_at_its_own_time() -> None:
    names = [f"folder-{number}/" for number in range(5)]
    there, vault = batching(*names, "a", "b")
    for name in (*names, "a", "b"):
        there.want(Key("team", name), name)
    there.work(1.0)
    assert sorted(asked(vault)) == [1, 1, 1, 1, 1, 2]

    times: list[float] = []
    vault.during = lambda: times.append(there.now)
    there.work(HOUR)
    assert len(times) == 6
    assert len({round(time) for time in times}) == 6


def test_a_failure_of_one_place_of_a_call_is_not_that_of_the_others() -> None:
    there, vault = batching(*NAMES[:10])
    vault.forbids = {NAMES[3]}
    for name in NAMES[:10]:
        there.want(Key("team", name), name)
    there.work(1.0)

    failures = {
        name: there.places.look(PlaceKey(CONNECTION, name)).failure
        for name in NAMES[:10]
    }
    assert {n for n, f in failures.items() if f} == {NAMES[3]}
    assert isinstance(failures[NAMES[3]], PlaceForbidden)
    assert there.told == []
    assert there.counted == ["changed"]
    assert there.wakes() == {Key("team", name) for name in NAMES[:10]}


def test_a_dead_vault_gets_one_shared_call_a_minute_and_all_when_it_is_back() -> None:
    there, vault = batching(*NAMES, interval=60.0)
    for name in NAMES:
        there.want(Key("team", name), name)
    there.work(5.0)
    asked(vault)
    vault.failure = Unreachable("away")
    there.work(600.0)
    assert len(asked(vault)) <= 12
    there.wakes()

    vault.failure = None
    while not vault.calls:
        there.work(1.0)
    there.work(5.0)

    assert sum(asked(vault)) == 200
    assert there.wakes() == {Key("team", name) for name in NAMES}


def test_a_place_whose_users_go_leaves_the_others_to_be_fetched() -> None:
    there, vault = batching(*NAMES[:3])
    for name in NAMES[:3]:
        there.want(Key("team", name), name)
    there.work(0.01)
    there.places.forget(Key("team", NAMES[0]))
    there.work(5.0)

    assert asked(vault) == [2]


def test_a_place_is_not_asked_for_while_it_is_fetched_along() -> None:
    there, vault = batching(*NAMES[:3])
    again: list[float] = []

    def during() -> None:
        there.now += 5.0
        if not again:
            key = PlaceKey(CONNECTION, NAMES[1])
            there.want(Key("team", NAMES[1]), NAMES[1], after=there.now)
            again.append(_polled(there, key))
            other = PlaceKey(CONNECTION, NAMES[2])
            there.want(Key("team", NAMES[2]), NAMES[2])
            again.append(_polled(there, other))
            there.now += again[1]
            _polled(there, other)

    vault.during = during
    for name in NAMES[:2]:
        there.want(Key("team", name), name)
    there.work(1.0)
    assert again == [1.0, 0.05]
    there.work(10.0)

    # The second is for another place, the third for who wanted something newer.
    assert asked(vault) == [2, 1, 1]


def _polled(there: World, key: PlaceKey) -> float:
    """Have a place worked on while another call is under way."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: run(there.places(key))).result()


def test_what_may_have_changed_is_fetched_at_once_for_all_its_users() -> None:
    there = world(users=5)
    there.work(10.0)
    there.vault.holds["a"] = {"A": b"2"}

    assert there.places.refresh(CONNECTION) == inf
    there.work(1.0)

    assert there.vault.calls == ["a"]
    assert there.wakes() == set(USERS)
    assert look(there) == {"A": b"2"}


def test_a_look_that_finds_nothing_new_wakes_nobody() -> None:
    there = world(users=5)
    there.work(10.0)
    there.places.refresh(CONNECTION)
    there.work(1.0)

    assert there.vault.calls == ["a"]
    assert there.wakes() == set()


def test_all_places_of_a_connection_are_looked_at_and_no_others() -> None:
    there = two_places()
    there.work()
    there.work(10.0)
    there.vault.calls.clear()
    there.places.refresh(CONNECTION)
    there.places.refresh(Key("team", "unknown"))
    there.work(1.0)

    assert sorted(there.vault.calls) == ["a", "b"]


def test_what_is_said_again_soon_is_looked_at_later_and_not_forgotten() -> None:
    there = world()
    there.work(10.0)
    there.places.refresh(CONNECTION)
    there.work(1.0)

    assert there.places.refresh(CONNECTION) == 4.0
    there.work(3.9)
    assert there.vault.calls == ["a"]

    there.work(0.1)
    assert there.places.refresh(CONNECTION) == inf
    there.work(1.0)
    assert there.vault.calls == ["a", "a"]


def test_a_vault_that_never_stops_telling_is_believed_twice_a_minute() -> None:
    there = world()
    looks: list[float] = []
    for _ in range(3600):
        there.work(1.0)
        if there.places.refresh(CONNECTION) == inf:
            looks.append(there.now)

    pauses = [after - before for before, after in pairwise(looks)]
    assert pauses[:5] == [5.0] * 5
    assert set(pauses[8:]) == {30.0}


def test_what_is_never_refreshed_is_not_looked_at_either() -> None:
    there = world(interval=inf)
    there.work(10.0)
    there.places.refresh(CONNECTION)
    there.work(1.0)

    assert there.vault.calls == []


def test_a_vault_that_fails_is_left_alone_whoever_says_that_something_changed() -> None:
    there = world()
    there.vault.failure = Unreachable("away")
    for _ in range(60):
        there.work(10.0)
        there.places.refresh(CONNECTION)
        there.work()

    assert len(there.vault.calls) <= 12


def test_a_change_that_is_told_during_a_call_is_fetched_by_another() -> None:
    there = world()
    there.work(10.0)
    told: list[float] = []

    def during() -> None:
        if not told:
            there.now += 6.0
            told.append(there.places.refresh(CONNECTION))

    there.vault.during = during
    there.places.refresh(CONNECTION)
    there.work(10.0)

    assert told == [inf]
    assert there.vault.calls == ["a", "a"]


def test_who_listens_is_told_of_sessions_first_users_and_last_ones() -> None:
    there = World("a", "b")
    there.used.clear()
    there.use(USERS[0], "a")
    there.use(USERS[1], "a", "b")
    there.places.forget(USERS[0])
    there.use(USERS[1], "a")
    assert there.used == [CONNECTION]
    there.places.forget(USERS[1])
    assert there.used == [CONNECTION] * 2

    there.connect()
    there.places.disconnect(CONNECTION)
    assert there.used == [CONNECTION] * 4


def test_a_vault_is_listened_to_where_that_is_wanted_and_somebody_uses_it() -> None:
    there = World("a")
    listens, silent = ListeningVault({"a": {}}), ListeningVault({"a": {}})
    silent.listens = False
    for session, heard in ((there.vault, None), (silent, None), (listens, listens)):
        there.places.connect(CONNECTION, "one", session, -inf)
        assert there.places.streaming(CONNECTION) is None
        there.use(USERS[0], "a")
        assert there.places.streaming(CONNECTION) is heard
        there.places.forget(USERS[0])
        assert there.places.streaming(CONNECTION) is None
