"""The work queue: keys that are due, each once, none of them twice at a time."""

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Callable, Hashable
from math import inf
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

Clock = Callable[[], float]


class Closed(Exception):
    """The queue takes and gives no more work."""


class WorkQueue(Generic[K]):
    """Gives out keys in the order in which they became due.

    A key that is added while it waits is there once. A key that is added while it is
    worked on is given out again after `done`, because the work may have started from
    what is now old. Times are seconds of the clock that is passed in.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ready: OrderedDict[K, float] = OrderedDict()
        self._running: set[K] = set()
        self._dirty: set[K] = set()
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._entries = 0
        self._changed = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        """Return how many keys wait to be worked on now."""
        return len(self._ready)

    @property
    def age(self) -> float:
        """The seconds that the key which waits longest has waited."""
        oldest = next(iter(self._ready.values()), None)
        return 0.0 if oldest is None else self._clock() - oldest

    def add(self, key: K) -> None:
        """Make a key due now."""
        if key in self._running:
            self._dirty.add(key)
        elif key not in self._ready:
            self._ready[key] = self._clock()
            self._changed.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Make a key due later, in place of a later time that was set before."""
        if seconds <= 0:
            self.add(key)
            return
        self._due[key] = self._clock() + seconds
        self._entries += 1
        heapq.heappush(self._heap, (self._due[key], self._entries, key))
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
            if self._ready:
                key, _ = self._ready.popitem(last=False)
                self._running.add(key)
                return key
            self._changed.clear()
            await self._wait(wait)

    def done(self, key: K, again: float = inf) -> None:
        """Say that the work on a key ended, and when it is due again by itself."""
        self._running.discard(key)
        self._due.pop(key, None)
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)
        elif again < inf:
            self.add_after(key, again)

    def close(self) -> None:
        """End every `get`, now and later."""
        self._closed = True
        self._changed.set()

    def _promote(self) -> float:
        """Move what is due to the ready keys; return the seconds to the next one."""
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            when, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == when:
                del self._due[key]
                self.add(key)
        return self._heap[0][0] - now if self._heap else inf

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds if seconds < inf else None):
                await self._changed.wait()
        except TimeoutError:
            return
