"""The work queue: keys that are due, each once, none of them twice at a time."""

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Callable, Hashable
from math import inf
from typing import Generic, TypeVar

from vaultferry.core.urgency import Lane

K = TypeVar("K", bound=Hashable)

Clock = Callable[[], float]

SHARE = 8
"""One pick in so many is for a less urgent lane, so that none is left waiting."""


class Closed(Exception):
    """The queue takes and gives no more work."""


class _Line(Generic[K]):
    """The keys of one lane: groups take turns, and in a group the first comes first.

    Every operation takes the same time, however many keys and groups there are.
    """

    def __init__(self, group: Callable[[K], Hashable]) -> None:
        self._group = group
        self._groups: OrderedDict[Hashable, OrderedDict[K, float]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, key: K, now: float) -> None:
        self._groups.setdefault(self._group(key), OrderedDict())[key] = now
        self._size += 1

    def take(self) -> tuple[K, float]:
        """Take a key; return it with when it came."""
        group, keys = self._groups.popitem(last=False)
        key, since = keys.popitem(last=False)
        if keys:
            self._groups[group] = keys
        self._size -= 1
        return key, since

    def remove(self, key: K) -> None:
        group = self._group(key)
        keys = self._groups[group]
        del keys[key]
        if not keys:
            del self._groups[group]
        self._size -= 1

    def oldest(self) -> float:
        """Return when the key came that waits longest; one look per group."""
        firsts = (next(iter(keys.values())) for keys in self._groups.values())
        return min(firsts, default=inf)


class WorkQueue(Generic[K]):
    """Gives out keys that are due: urgent ones first, and groups in turn.

    A key waits in one lane; adding it again in a more urgent one moves it there. A key
    that is added while it is worked on is given out again after `done`, because the
    work may have started from what is now old. A lane is served before those that are
    less urgent, but for one pick in `SHARE`. In a lane a key waits for at most one key
    of each other group for each key of its own group that is before it. Times are
    seconds of the clock that is passed in.
    """

    def __init__(
        self,
        clock: Clock,
        group: Callable[[K], Hashable],
        served: Callable[[Lane, float], None],
    ) -> None:
        """Begin empty.

        Args:
            clock: seconds.
            group: of a key; groups take turns.
            served: is told how long a key took from when it came until it was done.
        """
        self._clock = clock
        self._tell_served = served
        self._lines: dict[Lane, _Line[K]] = {lane: _Line(group) for lane in Lane}
        self._served = dict.fromkeys(Lane, 0)
        self._waiting: dict[K, Lane] = {}
        self._running: dict[K, tuple[Lane, float]] = {}
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
        return len(self._lines[lane])

    def age(self, lane: Lane) -> float:
        """Return the seconds that the key which waits longest in a lane is there."""
        oldest = self._lines[lane].oldest()
        return 0.0 if oldest == inf else self._clock() - oldest

    def add(self, key: K, lane: Lane) -> None:
        """Make a key due now, in this lane unless it is in a more urgent one."""
        if key in self._running:
            self._dirty[key] = min(lane, self._dirty.get(key, lane))
            return
        before = self._waiting.get(key)
        if before is not None:
            if before <= lane:
                return
            self._lines[before].remove(key)
        self._waiting[key] = lane
        self._lines[lane].put(key, self._clock())
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
            if self._waiting:
                return self._take()
            self._changed.clear()
            await self._wait(wait)

    def done(self, key: K, again: float = inf, lane: Lane = Lane.ROUTINE) -> None:
        """Say that the work on a key ended, and when it is due again by itself.

        Args:
            key: the key.
            again: seconds until it is due; inf: not by itself.
            lane: the lane in which it is due then.
        """
        came_in, since = self._running.pop(key)
        self._tell_served(came_in, self._clock() - since)
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

    def _take(self) -> K:
        lane = self._turn()
        key, since = self._lines[lane].take()
        del self._waiting[key]
        self._running[key] = lane, since
        return key

    def _turn(self) -> Lane:
        """Return the lane to serve: the first with work, unless it had its share.

        The share that a lane leaves is divided in the same way among those after it.
        """
        *firsts, chosen = (lane for lane in Lane if self._lines[lane])
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
