import asyncio
from collections.abc import Callable, Iterator
from math import inf
from typing import TypeAlias

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.running import run
from vaultferry.operator.queue import Closed, WorkQueue

Queue: TypeAlias = WorkQueue[str]


class Bench:
    """A queue with a clock that moves when it is told to, in a loop of its own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.queue: Queue = WorkQueue(lambda: self.now)
        self._loop = asyncio.Runner()

    def close(self) -> None:
        self._loop.close()

    def take(self) -> str | None:
        """Take a key if one is due now."""
        return self._loop.run(self._taken())

    def take_all(self) -> list[str]:
        """Take every key that is due now."""
        return list(iter(self.take, None))

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
    for key in "bac":
        bench.queue.add(key)

    assert bench.take_all() == ["b", "a", "c"]


def test_a_key_that_waits_is_there_once(bench: Bench) -> None:
    for key in "abab":
        bench.queue.add(key)

    assert len(bench.queue) == 2
    assert bench.take_all() == ["a", "b"]


def test_a_key_is_never_worked_on_twice_at_a_time(bench: Bench) -> None:
    bench.queue.add("a")
    first = bench.take_all()

    bench.queue.add("a")

    assert (first, bench.take_all()) == (["a"], [])


def test_a_key_that_was_added_while_it_ran_runs_once_more(bench: Bench) -> None:
    bench.queue.add("a")
    bench.take_all()

    bench.queue.add("a")
    bench.queue.add("a")
    bench.queue.done("a", again=60.0)

    assert bench.take_all() == ["a"]
    bench.queue.done("a")
    assert bench.take_all() == []


def test_a_key_that_is_done_is_not_given_out_again(bench: Bench) -> None:
    bench.queue.add("a")
    bench.take_all()

    bench.queue.done("a")
    bench.now += 1e9

    assert bench.take_all() == []


def test_a_key_is_due_again_when_it_said(bench: Bench) -> None:
    bench.queue.add("a")
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
    bench.queue.add("a")
    bench.take_all()
    bench.queue.done("a")

    bench.now += 60.0

    assert bench.take_all() == []


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_what_is_due_at_once_does_not_wait(bench: Bench, seconds: float) -> None:

    bench.queue.add_after("a", seconds)

    assert bench.take_all() == ["a"]


def test_the_age_is_that_of_the_key_that_waits_longest(bench: Bench) -> None:
    empty = bench.queue.age
    bench.queue.add("a")
    bench.now += 5.0
    bench.queue.add("b")

    assert (empty, bench.queue.age) == (0.0, 5.0)


Waker = Callable[[Queue], None]
WAKERS: dict[str, Waker] = {
    "a key": lambda queue: queue.add("a"),
    "a key that is due soon": lambda queue: queue.add_after("a", 0.01),
    "a key that was done": lambda queue: queue.done("a", again=0.01),
}


@pytest.mark.parametrize("wake", WAKERS.values(), ids=WAKERS)
def test_a_worker_that_waits_is_woken(wake: Waker) -> None:
    async def story() -> str:
        queue: Queue = WorkQueue(asyncio.get_running_loop().time)
        queue.add_after("in an hour", 3_600.0)
        worker = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        wake(queue)
        return await worker

    assert run(story()) == "a"


def test_every_worker_gets_a_key_of_its_own() -> None:
    async def story() -> list[str]:
        queue: Queue = WorkQueue(asyncio.get_running_loop().time)
        workers = [asyncio.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(0)
        for key in "abca":
            queue.add(key)
        return await asyncio.gather(*workers)

    assert sorted(run(story())) == ["a", "b", "c"]


def test_closing_ends_every_wait_now_and_later() -> None:
    async def story() -> list[object]:
        queue: Queue = WorkQueue(asyncio.get_running_loop().time)
        workers = [asyncio.create_task(queue.get()) for _ in range(2)]
        await asyncio.sleep(0)
        queue.close()
        queue.add("a")
        late = asyncio.create_task(queue.get())
        return await asyncio.gather(*workers, late, return_exceptions=True)

    assert [type(end) for end in run(story())] == [Closed] * 3


KEYS = st.sampled_from("abc")
SECONDS = st.sampled_from([1.0, 2.0, 5.0])


class Model(RuleBasedStateMachine):
    """The queue beside lists and sets that say the same in a simpler way."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.queue = self.bench.queue
        self.ready: list[str] = []
        self.running: set[str] = set()
        self.dirty: set[str] = set()
        self.due: dict[str, float] = {}
        self.set_first: list[tuple[str, float]] = []

    def teardown(self) -> None:
        self.bench.close()

    def _add(self, key: str) -> None:
        if key in self.running:
            self.dirty.add(key)
        elif key not in self.ready:
            self.ready.append(key)

    def _add_after(self, key: str, seconds: float) -> None:
        self.due[key] = self.bench.now + seconds
        self.set_first.append((key, self.due[key]))

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        self.queue.add(key)
        self._add(key)

    @rule(key=KEYS, seconds=SECONDS)
    def add_after(self, key: str, seconds: float) -> None:
        self.queue.add_after(key, seconds)
        self._add_after(key, seconds)

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.bench.now += seconds

    @rule()
    def take(self) -> None:
        past = [(at, key) for key, at in self.due.items() if at <= self.bench.now]
        for at, key in sorted(
            past, key=lambda p: (p[0], self.set_first.index(p[::-1]))
        ):
            del self.due[key]
            self._add(key)
            assert at <= self.bench.now
        expected = self.ready.pop(0) if self.ready else None
        self.running |= {expected} if expected else set()

        assert self.bench.take() == expected

    @rule(key=KEYS, again=SECONDS | st.just(inf))
    def done(self, key: str, again: float) -> None:
        if key not in self.running:
            return
        self.queue.done(key, again)
        self.running.discard(key)
        self.due.pop(key, None)
        if key in self.dirty:
            self.dirty.discard(key)
            self._add(key)
        elif again < inf:
            self._add_after(key, again)

    @invariant()
    def as_many_wait(self) -> None:
        assert len(self.queue) == len(self.ready)


TestTheQueueIsAsItsModel = Model.TestCase
