"""One watch at the API server that tells when each object came to be as wanted."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from benchmarks.client import Body, Client, Refused
from benchmarks.objects import Key

Check = Callable[[Body], bool]

_SECONDS_PER_OBJECT = 0.5
_SECONDS = 120


class Late(Exception):
    """Not all objects came to be as wanted in time."""


class Arrivals:
    """When the objects that are waited for came to be as wanted (monotonic)."""

    def __init__(
        self, wanted: Collection[Key], check: Check, at_first: Callable[[], None]
    ) -> None:
        self.times: dict[Key, float] = {}
        self._at_first = at_first
        self._left = set(wanted)
        self._check = check
        self._complete = asyncio.Event()
        self._error: Exception | None = None
        self._limit = _SECONDS + _SECONDS_PER_OBJECT * len(wanted)

    def see(self, kind: str, body: Body) -> None:
        """Take an event of the watch."""
        metadata = body["metadata"]
        key = Key(metadata.get("namespace", ""), metadata.get("name", ""))
        if key in self._left and kind != "DELETED" and self._check(body):
            if not self.times:
                self._at_first()
            self.times[key] = time.monotonic()
            self._left.remove(key)
            if not self._left:
                self._complete.set()

    def fail(self, error: Exception) -> None:
        """Take that nothing more can be seen."""
        self._error = error
        self._complete.set()

    async def all(self) -> None:
        """Wait until all are.

        Raises:
            Late: they never were, or it could not be seen.
        """
        try:
            await asyncio.wait_for(self._complete.wait(), self._limit)
        except TimeoutError:
            text = f"{len(self._left)} of the objects are not as wanted"
            raise Late(f"{text} after {self._limit:.0f} s") from None
        if self._error is not None:
            raise Late("the watch failed") from self._error

    @property
    def first(self) -> float:
        """When the first one was."""
        return min(self.times.values())

    @property
    def last(self) -> float:
        """When the last one was."""
        return max(self.times.values())


@asynccontextmanager
async def arrivals(
    client: Client,
    path: str,
    wanted: Collection[Key],
    check: Check,
    at_first: Callable[[], None] = lambda: None,
) -> AsyncIterator[Arrivals]:
    """Watch a collection meanwhile, from its present state on.

    Args:
        client: who watches.
        path: the collection.
        wanted: the objects that are waited for.
        check: tells of an object whether it is as wanted.
        at_first: is called when the first one is.
    """
    listed = await client.get(f"{path}?limit=1")
    seen = Arrivals(wanted, check, at_first)
    task = asyncio.create_task(_follow(client, path, listed, seen))
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _follow(client: Client, path: str, listed: Body, seen: Arrivals) -> None:
    try:
        while True:
            version = listed["metadata"]["resourceVersion"]
            async for kind, body in client.watch(path, version):
                if kind == "ERROR":
                    break
                seen.see(kind, body)
            # The API server ends the watches of a kind whose CRD was just installed.
            listed = await client.get(path)
            for body in listed["items"]:
                seen.see("ADDED", body)
    except (aiohttp.ClientError, Refused, OSError) as error:
        seen.fail(error)


def is_true(condition: str) -> Check:
    """Return a check that a condition is True of the present generation."""

    def check(body: Body) -> bool:
        generation = body["metadata"].get("generation")
        found: list[Any] = (body.get("status") or {}).get("conditions") or []
        return any(
            each["type"] == condition
            and each["status"] == "True"
            and each.get("observedGeneration", generation) == generation
            for each in found
        )

    return check
