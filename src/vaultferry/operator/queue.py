"""The work queue: keys that are due, each once, none of them twice at a time."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from math import inf
from typing import Generic, TypeVar

from vaultferry.core.lines import Lanes
from vaultferry.core.urgency import Lane

K = TypeVar("K", bound=Hashable)

Clock = Callable[[], float]

SHARE = 8
"""One pick in so many is for a less urgent lane, so that none is left waiting."""


class Closed(Exception):
    """The queue takes and gives no more work."""


@dataclass(frozen=True)
class _Work:
    """What is being worked on: from which lane, since when it was due, and as what."""

    lane: Lane
    since: float
    turn: Hashable


class WorkQueue(Generic[K]):
    """Gives out keys that are due: urgent ones first, and groups in turn.

    A key waits in one lane; adding it again in a more urgent one moves it there. A key
    that is added while it is worked on is given out again after `done`, because the
    work may have started from what is now old. A lane is served before those that are
    less urgent, but for one pick in `SHARE`. In a lane a key waits for at most one key
    of each other group for each key of its own group that is before it. Times are
    seconds of the clock that is passed in.

    Keys that take turns at something are not given out while another of them is worked
    on: they step aside, so that they keep no worker waiting, and are called one by one,
    by groups of their own.
    """

    def __init__(
        self,
        clock: Clock,
        group: Callable[[K], Hashable],
        served: Callable[[Lane, float], None],
        turn: Callable[[K], Hashable] = lambda _: None,
        among: Callable[[K], Hashable] = lambda _: None,
    ) -> None:
        """Begin empty.

        Args:
            clock: seconds.
            group: of a key; groups take turns.
            served: is told how long a key took from when it came until it was done.
            turn: at what a key takes turns with others; None: at nothing.
            among: of a key; groups of those that wait for the same turn are called in
                turn.
        """
        self._clock = clock
        self._tell_served = served
        self._turn_of = turn
        self._among = among
        self._lines = Lanes(group)
        self._served = dict.fromkeys(Lane, 0)
        self._waiting: dict[K, tuple[Lane, Lanes[K]]] = {}
        self._running: dict[K, _Work] = {}
        self._taken: set[Hashable] = set()
        """The turns of what is worked on."""

        self._aside: dict[Hashable, Lanes[K]] = {}
        """Keys that wait for a turn: it is taken, or one of them was called for it."""

        self._called: dict[K, Hashable] = {}
        self._dirty: dict[K, Lane] = {}
        self._due: dict[K, tuple[float, Lane]] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._entries = 0
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def busy(self) -> int:
        """How many keys are worked on."""
        return len(self._running)

    @property
    def delayed(self) -> int:
        """How many keys are due later."""
        return len(self._due)

    def depth(self, lane: Lane) -> int:
        """Return how many keys wait in a lane."""
        aside = (len(lanes[lane]) for lanes in self._aside.values())
        return len(self._lines[lane]) + sum(aside)

    def age(self, lane: Lane) -> float:
        """Return the seconds that the key which waits longest in a lane is there."""
        everywhere = (self._lines, *self._aside.values())
        oldest = min(lanes[lane].oldest() for lanes in everywhere)
        return 0.0 if oldest == inf else self._clock() - oldest

    def add(self, key: K, lane: Lane) -> None:
        """Make a key due now, in this lane unless it is in a more urgent one."""
        if key in self._running:
            self._dirty[key] = min(lane, self._dirty.get(key, lane))
            return
        before, lanes = self._waiting.get(key, (None, self._lines))
        if before is not None:
            if before <= lane:
                return
            lanes[before].remove(key)
        self._put(key, lane, lanes, self._clock())
        self._changed.set()

    def add_after(self, key: K, seconds: float, lane: Lane = Lane.ROUTINE) -> None:
        """Make a key due later, in place of a later time that was set before."""
        if seconds <= 0:
            self.add(key, lane)
            return
        when = self._clock() + seconds
        self._due[key] = when, lane
        self._entries += 1
        heapq.heappush(self._heap, (when, self._entries, key))
        self._changed.set()

    async def get(self) -> K:
        """Wait for a key that is due, and take it.

        Raises:
            Closed: the queue was closed.
        """
        while True:
            if self._closed:
                raise Closed
            wait = self._promote()
            while lanes := self._lines.waiting():
                key = self._take(self._pick(lanes))
                if key is not None:
                    return key
            self._changed.clear()
            await self._wait(wait)

    def done(self, key: K, again: float = inf, lane: Lane = Lane.ROUTINE) -> None:
        """Say that the work on a key ended, and when it is due again by itself.

        Args:
            key: the key.
            again: seconds until it is due; inf: not by itself.
            lane: the lane in which it is due then.
        """
        work = self._running.pop(key)
        self._tell_served(work.lane, self._clock() - work.since)
        self._taken.discard(work.turn)
        self._call_next(work.turn)
        self._due.pop(key, None)
        dirty = self._dirty.pop(key, None)
        if dirty is not None:
            self.add(key, dirty)
        elif again < inf:
            self.add_after(key, again, lane)

    def close(self) -> None:
        """End every `get`, now and later."""
        self._closed = True
        self._changed.set()

    def _put(
        self,
        key: K,
        lane: Lane,
        lanes: Lanes[K],
        since: float,
        *,
        first: bool = False,
    ) -> None:
        self._waiting[key] = lane, lanes
        lanes[lane].put(key, since, first=first)

    def _take(self, lane: Lane) -> K | None:
        """Take the next key of a lane; where another has its turn, it steps aside."""
        key, since = self._lines[lane].take()
        turn = self._turn_of(key)
        called = self._called.pop(key, turn)
        free = turn not in self._taken
        if free:
            del self._waiting[key]
            self._running[key] = _Work(lane, since, turn)
            if turn is not None:
                self._taken.add(turn)
        else:
            aside = self._aside.setdefault(turn, Lanes(self._among))
            self._put(key, lane, aside, since)
        if called != turn and called not in self._taken:
            self._call_next(called)
        return key if free else None

    def _call_next(self, turn: Hashable) -> None:
        """Have the next key that waits for a turn come before others of its group."""
        aside = self._aside.get(turn)
        if aside is None:
            return
        [lane, *_] = aside.waiting()
        key, since = aside[lane].take()
        if not aside.waiting():
            del self._aside[turn]
        self._called[key] = turn
        self._put(key, lane, self._lines, since, first=True)
        self._changed.set()

    def _pick(self, lanes: list[Lane]) -> Lane:
        """Return the lane to serve: the first with work, unless it had its share.

        The share that a lane leaves is divided in the same way among those after it.
        """
        *firsts, chosen = lanes
        for lane in firsts:
            self._served[lane] += 1
            if self._served[lane] < SHARE:
                return lane
            self._served[lane] = 0
        return chosen

    def _promote(self) -> float:
        """Move what is due to the waiting keys; return the seconds to the next one."""
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            when, _, key = heapq.heappop(self._heap)
            due, lane = self._due.get(key, (inf, Lane.LAST))
            if due == when:
                del self._due[key]
                self.add(key, lane)
        return self._heap[0][0] - now if self._heap else inf

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds if seconds < inf else None):
                await self._changed.wait()
        except TimeoutError:
            return


async def serve(
    queue: WorkQueue[K], once: Callable[[K], Awaitable[tuple[float, Lane]]]
) -> None:
    """Work on one key after the other, until the queue is closed.

    Args:
        queue: where they wait.
        once: works on one; returns when it is due again by itself, and in which lane.
    """
    while True:
        try:
            key = await queue.get()
        except Closed:
            return
        again, lane = await once(key)
        queue.done(key, again, lane)
        # What finds nothing to do waits for nothing: without this, ten thousand keys
        # are one turn of the loop, in which nobody else is served.
        await asyncio.sleep(0)
