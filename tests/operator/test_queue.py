import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from math import inf
from typing import TypeAlias

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.running import run
from vaultferry.core.urgency import Lane
from vaultferry.operator.queue import SHARE, Closed, WorkQueue, serve

Queue: TypeAlias = WorkQueue[str]

URGENT, ROUTINE, LAST = Lane
LANES = st.sampled_from(Lane)


def group(key: str) -> str:
    """Return the first letter, as if it were the namespace."""
    return key[0]


def named(letter: str, count: int) -> list[str]:
    """Return so many keys of a group."""
    return [f"{letter}{number}" for number in range(count)]


class Bench:
    """A queue with a clock that moves when it is told to, in a loop of its own."""

    def __init__(
        self,
        turn: Callable[[str], object] = lambda _: None,
        among: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.now = 100.0
        self.served: list[tuple[Lane, float]] = []
        self.queue: Queue = WorkQueue(
            lambda: self.now, group, lambda *told: self.served.append(told), turn, among
        )
        self._loop = asyncio.Runner()

    def close(self) -> None:
        self._loop.close()

    def add(self, *keys: str, lane: Lane = ROUTINE) -> None:
        """Add keys to a lane, one after the other."""
        for key in keys:
            self.queue.add(key, lane)

    def take(self) -> str | None:
        """Take a key if one is due now."""
        return self._loop.run(self._taken())

    def take_all(self) -> list[str]:
        """Take every key that is due now."""
        return list(iter(self.take, None))

    def work(self) -> Iterator[str]:
        """Take one key after the other, and be done with it."""
        for key in iter(self.take, None):
            yield key
            self.queue.done(key)

    async def _taken(self) -> str | None:
        try:
            async with asyncio.timeout(0):
                return await self.queue.get()
        except TimeoutError:
            return None


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def test_keys_are_given_out_in_the_order_in_which_they_came(bench: Bench) -> None:
    bench.add("a2", "a1", "a3")

    assert bench.take_all() == ["a2", "a1", "a3"]


def test_a_key_that_waits_is_there_once(bench: Bench) -> None:
    bench.add("a", "b", "a", "b")

    assert bench.queue.depth(ROUTINE) == 2
    assert bench.take_all() == ["a", "b"]


def test_a_key_is_never_worked_on_twice_at_a_time(bench: Bench) -> None:
    bench.add("a")
    first = bench.take_all()

    bench.add("a")

    assert (first, bench.take_all()) == (["a"], [])


def test_a_key_that_was_added_while_it_ran_runs_once_more(bench: Bench) -> None:
    bench.add("a")
    bench.take_all()

    bench.add("a")
    bench.add("a")
    bench.queue.done("a", again=60.0)

    assert bench.take_all() == ["a"]
    bench.queue.done("a")
    assert bench.take_all() == []


def test_a_key_that_is_done_is_not_given_out_again(bench: Bench) -> None:
    bench.add("a")
    bench.take_all()

    bench.queue.done("a")
    bench.now += 1e9

    assert bench.take_all() == []


def test_a_key_is_due_again_when_it_said(bench: Bench) -> None:
    bench.add("a")
    bench.take_all()
    bench.queue.done("a", again=60.0)

    bench.now += 59.0
    early = bench.take_all()
    bench.now += 1.0

    assert (early, bench.take_all()) == ([], ["a"])


def test_keys_become_due_in_the_order_of_their_times(bench: Bench) -> None:
    for key, seconds in {"late": 3.0, "first": 1.0, "between": 2.0}.items():
        bench.queue.add_after(key, seconds)

    bench.now += 3.0

    assert bench.take_all() == ["first", "between", "late"]


@pytest.mark.parametrize(
    ("first", "second"), [(5.0, 9.0), (9.0, 5.0)], ids=["later", "earlier"]
)
def test_another_time_replaces_the_one_before(
    bench: Bench, first: float, second: float
) -> None:
    bench.queue.add_after("a", first)
    bench.queue.add_after("a", second)

    bench.now += second - 1.0
    early = bench.take_all()
    bench.now += 1.0

    assert (early, bench.take_all()) == ([], ["a"])


def test_work_in_between_replaces_a_time_that_was_set(bench: Bench) -> None:
    bench.queue.add_after("a", 60.0)
    bench.add("a")
    bench.take_all()
    bench.queue.done("a")

    bench.now += 60.0

    assert bench.take_all() == []


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_what_is_due_at_once_does_not_wait(bench: Bench, seconds: float) -> None:

    bench.queue.add_after("a", seconds)

    assert bench.take_all() == ["a"]


def test_the_age_is_that_of_the_key_that_waits_longest(bench: Bench) -> None:
    empty = bench.queue.age(ROUTINE)
    bench.add("a1")
    bench.now += 5.0
    bench.add("a2", "b")

    assert (empty, bench.queue.age(ROUTINE)) == (0.0, 5.0)


def test_depth_and_age_are_told_for_each_lane(bench: Bench) -> None:
    bench.add("a", "b", lane=LAST)
    bench.now += 5.0
    bench.add("a", lane=URGENT)
    bench.now += 1.0

    assert [bench.queue.depth(lane) for lane in Lane] == [1, 0, 1]
    assert [bench.queue.age(lane) for lane in Lane] == [1.0, 0.0, 6.0]


def test_a_more_urgent_lane_is_served_first(bench: Bench) -> None:
    for lane, key in ((LAST, "l"), (ROUTINE, "r"), (URGENT, "u")):
        bench.add(key, lane=lane)

    assert bench.take_all() == ["u", "r", "l"]


def test_a_key_moves_up_to_a_more_urgent_lane(bench: Bench) -> None:
    bench.add("a", "b", "c")

    bench.add("b", lane=URGENT)

    assert bench.take_all() == ["b", "a", "c"]


def test_a_key_does_not_move_down(bench: Bench) -> None:
    bench.add("a", lane=URGENT)

    bench.add("a", lane=LAST)

    assert [bench.queue.depth(lane) for lane in Lane] == [1, 0, 0]


@pytest.mark.parametrize("order", [(URGENT, LAST), (LAST, URGENT)])
def test_work_asked_for_while_it_ran_waits_in_the_most_urgent_lane(
    bench: Bench, order: tuple[Lane, Lane]
) -> None:
    bench.add("a")
    bench.take()

    for lane in order:
        bench.add("a", lane=lane)
    bench.queue.done("a")

    assert bench.queue.depth(URGENT) == 1


def test_a_key_is_due_again_in_the_lane_that_was_said(bench: Bench) -> None:
    bench.add("a", lane=URGENT)
    bench.take()
    bench.queue.done("a", again=1.0, lane=LAST)

    bench.now += 1.0
    bench.add("first", lane=URGENT)
    bench.take()
    bench.add("b", lane=ROUTINE)

    assert bench.take_all() == ["b", "a"]


def test_how_long_a_key_took_is_told_from_when_it_came_and_by_its_lane(
    bench: Bench,
) -> None:
    bench.add("a", lane=LAST)
    bench.now += 2.0
    bench.add("a", lane=URGENT)
    bench.now += 3.0
    bench.take()
    bench.add("a", lane=ROUTINE)
    bench.now += 4.0

    bench.queue.done("a")
    bench.take()
    bench.queue.done("a")

    assert bench.served == [(URGENT, 7.0), (ROUTINE, 0.0)]


def test_a_retry_is_routine_however_urgent_the_first_attempt_was(bench: Bench) -> None:
    bench.add("a", lane=URGENT)
    bench.take()
    bench.queue.done("a", again=1.0)

    bench.now += 1.0
    bench.add("first", lane=URGENT)
    bench.take()
    bench.add("b", lane=URGENT)

    assert bench.take_all() == ["b", "a"]


def test_groups_take_turns(bench: Bench) -> None:
    bench.add("a1", "a2", "a3", "b1", "b2", "c1")

    assert bench.take_all() == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_crowded_group_delays_another_by_one_key(bench: Bench) -> None:
    bench.add(*named("a", 10_000))
    work = bench.work()
    next(work)

    bench.add("b")

    assert "b" in islice(work, 2)


@pytest.mark.parametrize(("lane", "within"), [(ROUTINE, SHARE), (LAST, SHARE * SHARE)])
def test_no_lane_starves_however_much_there_is_before_it(
    bench: Bench, lane: Lane, within: int
) -> None:
    bench.add("z", lane=lane)
    for earlier in islice(Lane, lane):
        bench.add(*named(earlier.name, 1_000), lane=earlier)

    assert "z" in islice(bench.work(), within)


def test_lanes_have_their_shares_while_all_have_work(bench: Bench) -> None:
    for lane in Lane:
        bench.add(*named(lane.name, 1_000), lane=lane)

    served = Counter(group(key) for key in islice(bench.work(), 640))

    assert served == {"U": 560, "R": 70, "L": 10}


def test_a_lane_alone_is_served_at_every_pick(bench: Bench) -> None:
    bench.add(*named("l", 100), lane=LAST)

    assert len(bench.take_all()) == 100


def test_nothing_is_left_of_what_was_served(bench: Bench) -> None:
    for lane in Lane:
        bench.add(*named("abc", 10), lane=lane)
    list(bench.work())

    lines = vars(vars(bench.queue)["_lines"])["_lines"].values()
    assert not any(vars(line)["_groups"] for line in lines)
    assert not any(bench.queue.depth(lane) for lane in Lane)


# Turns: keys with a digit take turns at what it says


@pytest.fixture
def sharing() -> Iterator[Bench]:
    bench = Bench(turn=lambda key: key[1:] or None)
    yield bench
    bench.close()


def test_of_those_that_take_turns_one_is_worked_on_while_others_pass(
    sharing: Bench,
) -> None:
    sharing.add("a1", "b1", "c1", "a2", "x", "y")

    assert sharing.take_all() == ["a1", "x", "y", "a2"]


def test_they_come_one_by_one_in_the_order_in_which_they_came(sharing: Bench) -> None:
    sharing.add(*(f"{letter}1" for letter in "abcd"), "x")

    assert list(sharing.work()) == ["a1", "b1", "c1", "d1", "x"]
    sharing.add(*(f"{letter}1" for letter in "abcd"))
    first = sharing.take_all()
    sharing.queue.done("a1")
    second = sharing.take_all()
    sharing.queue.done("b1")

    assert [first, second, sharing.take_all()] == [["a1"], ["b1"], ["c1"]]


def test_the_most_urgent_of_those_that_wait_for_a_turn_is_next(sharing: Bench) -> None:
    sharing.add("a1", "b1", "c1")
    sharing.take_all()

    sharing.add("c1", lane=URGENT)
    sharing.add("b1", lane=LAST)
    sharing.queue.done("a1")

    assert sharing.take_all() == ["c1"]


def test_those_that_wait_for_a_turn_wait_in_their_lane(sharing: Bench) -> None:
    sharing.add("a1", "b1", "c1", "d1")
    sharing.take_all()
    sharing.now += 5

    depths = [sharing.queue.depth(lane) for lane in Lane]
    assert (depths, sharing.queue.age(ROUTINE), sharing.queue.busy) == ([0, 3, 0], 5, 1)
    sharing.queue.done("a1")
    assert sharing.take_all() == ["b1"]
    assert (sharing.queue.depth(ROUTINE), sharing.queue.age(ROUTINE)) == (2, 5)


def test_one_that_was_called_and_takes_no_turn_any_more_calls_the_next() -> None:
    turns = dict.fromkeys(("a", "b", "c"), 1)
    sharing = Bench(turn=turns.get)
    sharing.add("a", "b", "c")
    sharing.take_all()
    sharing.queue.done("a")

    del turns["b"]

    assert sharing.take_all() == ["b", "c"]
    sharing.close()


def test_groups_of_those_that_wait_for_a_turn_are_called_in_turn() -> None:
    sharing = Bench(turn=lambda _: "all", among=lambda key: key[1])
    sharing.add("xa1", "xa2", "xa3", "xa4", "xb1")
    came: list[str] = []
    while taken := sharing.take_all():
        came += taken
        sharing.queue.done(taken[0])

    assert came == ["xa1", "xa2", "xb1", "xa3", "xa4"]
    sharing.close()


def test_one_whose_group_became_another_is_found_where_it_waits_for_its_turn() -> None:
    groups = {"xa": 1, "xb": 1, "xc": 1}
    sharing = Bench(turn=lambda _: "all", among=groups.get)
    sharing.add("xa", "xb", "xc")
    sharing.take_all()

    groups["xc"] = 2
    sharing.add("xc", lane=URGENT)
    sharing.queue.done("xa")

    assert list(sharing.work()) == ["xc", "xb"]
    sharing.close()


class Turns(RuleBasedStateMachine):
    """Keys that take turns, asked for and worked on in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.sharing = Bench(turn=lambda key: key[1:] or None)
        self.running: list[str] = []
        self.asked: set[str] = set()

    @rule(key=st.sampled_from(["a1", "b1", "c1", "a2", "b2", "x", "y"]), lane=LANES)
    def add(self, key: str, lane: Lane) -> None:
        self.sharing.add(key, lane=lane)
        self.asked.add(key)

    @rule()
    def take(self) -> None:
        if key := self.sharing.take():
            self.running.append(key)
            self.asked.remove(key)

    @rule(number=st.integers(0, 9))
    def done(self, number: int) -> None:
        if self.running:
            self.sharing.queue.done(self.running.pop(number % len(self.running)))

    @invariant()
    def turns_are_kept(self) -> None:
        turns = [key[1:] for key in self.running if key[1:]]
        assert len(turns) == len(set(turns))

    def teardown(self) -> None:
        """Work until nothing is left: nobody was forgotten."""
        while self.running or self.asked:
            before = len(self.running), len(self.asked)
            self.take()
            self.done(0)
            assert (len(self.running), len(self.asked)) < before
        left = vars(self.sharing.queue)
        assert left["_aside"] == left["_called"] == {}
        self.sharing.close()


TestTurnsAreKeptAndNobodyIsForgotten = Turns.TestCase


async def worked(queue: Queue, ended: list[str]) -> None:
    """Work on keys that take a hundredth of a second each, for ever."""
    while True:
        key = await queue.get()
        await asyncio.sleep(0.01)
        ended.append(key)
        queue.done(key)


def test_many_that_take_turns_keep_no_worker_from_a_key_that_comes() -> None:
    ended: list[str] = []

    async def story() -> int:
        clock = asyncio.get_running_loop().time
        queue: Queue = WorkQueue(clock, group, lambda *_: None, group)
        workers = [asyncio.create_task(worked(queue, ended)) for _ in range(16)]
        for key in named("m", 200):
            queue.add(key, URGENT)
        await asyncio.sleep(0.05)
        before, busy = len(ended), queue.busy
        queue.add("new", URGENT)
        await asyncio.sleep(0.1)
        for worker in workers:
            worker.cancel()
        assert busy == 1
        return ended.index("new") - before

    assert run(story()) <= 2


Waker = Callable[[Queue], None]
WAKERS: dict[str, Waker] = {
    "a key": lambda queue: queue.add("a", ROUTINE),
    "a key that is due soon": lambda queue: queue.add_after("a", 0.01),
}


@pytest.mark.parametrize("wake", WAKERS.values(), ids=WAKERS)
def test_a_worker_that_waits_is_woken(wake: Waker) -> None:
    async def story() -> str:
        queue: Queue = WorkQueue(asyncio.get_running_loop().time, group, print)
        queue.add_after("in an hour", 3_600.0)
        worker = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        wake(queue)
        return await worker

    assert run(story()) == "a"


def test_every_worker_gets_a_key_of_its_own() -> None:
    async def story() -> list[str]:
        queue: Queue = WorkQueue(asyncio.get_running_loop().time, group, print)
        workers = [asyncio.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(0)
        for key in "abca":
            queue.add(key, ROUTINE)
        return await asyncio.gather(*workers)

    assert sorted(run(story())) == ["a", "b", "c"]


def test_closing_ends_every_wait_now_and_later() -> None:
    async def story() -> list[object]:
        queue: Queue = WorkQueue(asyncio.get_running_loop().time, group, print)
        workers = [asyncio.create_task(queue.get()) for _ in range(2)]
        await asyncio.sleep(0)
        queue.close()
        queue.add("a", ROUTINE)
        late = asyncio.create_task(queue.get())
        return await asyncio.gather(*workers, late, return_exceptions=True)

    assert [type(end) for end in run(story())] == [Closed] * 3


KEYS = st.sampled_from([*named("a", 4), *named("b", 2), "c0"])
SECONDS = st.sampled_from([1.0, 2.0, 5.0])


class Model(RuleBasedStateMachine):
    """The queue beside lists and sets that say the same in a simpler way.

    Which key is next is not worked out here. It is one of those that the promises of
    the queue allow: the first of its group, not too late for its group, nor its lane.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.queue = self.bench.queue
        self.lines: dict[Lane, list[str]] = {lane: [] for lane in Lane}
        self.running: set[str] = set()
        self.dirty: dict[str, Lane] = {}
        self.due: dict[str, float] = {}
        self.set_first: list[tuple[float, str]] = []
        self.passed_lane: Counter[Lane] = Counter()
        self.passed_group: dict[tuple[Lane, str], Counter[str]] = {}

    def teardown(self) -> None:
        self.bench.close()

    def _groups(self, lane: Lane) -> set[str]:
        return {group(key) for key in self.lines[lane]}

    def _add(self, key: str, lane: Lane) -> None:
        if key in self.running:
            self.dirty[key] = min(lane, self.dirty.get(key, LAST))
            return
        before = [each for each in Lane if key in self.lines[each]]
        if not before or lane < before[0]:
            for each in before:
                self.lines[each].remove(key)
            self.lines[lane].append(key)

    def _add_after(self, key: str, seconds: float) -> None:
        self.due[key] = self.bench.now + seconds
        self.set_first.append((self.due[key], key))

    def _ripen(self) -> None:
        ripe = [(at, key) for key, at in self.due.items() if at <= self.bench.now]
        for _, key in sorted(ripe, key=lambda p: (p[0], self.set_first.index(p))):
            del self.due[key]
            self._add(key, ROUTINE)

    def _check(self, lane: Lane, key: str) -> None:
        """Check that this pick keeps every promise; count whom it passed over."""
        own = group(key)
        assert key == next(k for k in self.lines[lane] if group(k) == own)
        for other in self._groups(lane) - {own}:
            passed = self.passed_group.setdefault((lane, other), Counter())
            passed[own] += 1
            assert passed[own] <= 1, f"{own} twice, and {other} waits"
        for other_lane in Lane:
            if other_lane != lane and self.lines[other_lane]:
                self.passed_lane[other_lane] += 1
        assert self.passed_lane[URGENT] <= 1
        assert self.passed_lane[ROUTINE] < 2 * SHARE
        assert self.passed_lane[LAST] < SHARE * SHARE

    def _served(self, lane: Lane, key: str) -> None:
        self.lines[lane].remove(key)
        self.running.add(key)
        self.passed_lane[lane] = 0
        self.passed_group.pop((lane, group(key)), None)

    def _forget_who_does_not_wait(self) -> None:
        for lane in Lane:
            if not self.lines[lane]:
                self.passed_lane[lane] = 0
        for lane, each in list(self.passed_group):
            if each not in self._groups(lane):
                del self.passed_group[lane, each]

    @rule(key=KEYS, lane=LANES)
    def add(self, key: str, lane: Lane) -> None:
        self.queue.add(key, lane)
        self._add(key, lane)
        self._forget_who_does_not_wait()

    @rule(lane=LANES)
    def add_many(self, lane: Lane) -> None:
        for key in named("a", 4) + named("b", 2):
            self.add(key, lane)

    @rule(key=KEYS, seconds=SECONDS)
    def add_after(self, key: str, seconds: float) -> None:
        self.queue.add_after(key, seconds)
        self._add_after(key, seconds)

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.bench.now += seconds

    @rule()
    def take(self) -> None:
        self._ripen()
        key = self.bench.take()
        if key is None:
            assert not any(self.lines.values())
            return
        [lane] = [each for each in Lane if key in self.lines[each]]
        self._check(lane, key)
        self._served(lane, key)
        self._forget_who_does_not_wait()

    @rule(lane=LANES, again=LANES | st.none())
    def work(self, lane: Lane, again: Lane | None) -> None:
        """Work on what is next, again and again, some asked for anew meanwhile."""
        for key in ("c0", "b0", "a0") * 8:
            self.add(key, lane)
            before = set(self.running)
            self.take()
            for taken in self.running - before:
                if again is not None:
                    self.add(taken, again)
                self.done(taken, inf)

    @rule(key=KEYS, again=SECONDS | st.just(inf))
    def done(self, key: str, again: float) -> None:
        if key not in self.running:
            return
        self.queue.done(key, again)
        self.running.discard(key)
        self.due.pop(key, None)
        dirty = self.dirty.pop(key, None)
        if dirty is not None:
            self._add(key, dirty)
        elif again < inf:
            self._add_after(key, again)

    @invariant()
    def as_many_wait(self) -> None:
        depths = {lane: self.queue.depth(lane) for lane in Lane}
        assert depths == {lane: len(keys) for lane, keys in self.lines.items()}
        assert self.queue.busy == len(self.running)
        assert self.queue.delayed == len(self.due)


TestTheQueueIsAsItsModel = Model.TestCase


def test_the_loop_turns_while_there_is_work_that_waits_for_nothing() -> None:
    async def story() -> int:
        queue: Queue = WorkQueue(lambda: 0.0, group, lambda *_: None)
        for key in named("a", 1000):
            queue.add(key, ROUTINE)

        async def once(key: str) -> tuple[float, Lane]:
            if key == "a999":
                queue.close()
            return inf, ROUTINE

        working, turns = asyncio.ensure_future(serve(queue, once)), 0
        while not working.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert run(story()) > 900
