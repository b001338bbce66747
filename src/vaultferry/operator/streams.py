"""Listens to vaults that tell of changes, one stream for each connection in use.

What is told is never more than a reason to look: the places fetch what they fetch
otherwise, only sooner. So a stream that cannot be had changes nothing for anybody, and
is asked for less and less often.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import NamedTuple

import structlog

from vaultferry.core import backoff
from vaultferry.core.errors import Failure, VaultFailure
from vaultferry.core.provider import Streaming
from vaultferry.places import Places
from vaultferry.views import Key

log = structlog.get_logger()

# Most streams that end are had again after a moment; from then on about once in so
# many seconds, and less and less often.
_SOON_SECONDS = 5.0
_LATER_SECONDS = 120.0
# What a person has to change first: the plan, the rights of the token, the config.
_PERSON_SECONDS = 3600.0
# A stream that ended before was none.
_LASTING_SECONDS = 60.0
# How often it is looked whether a vault that is left alone answers again.
_LOOK_SECONDS = 5.0
# All streams of the process are asked for one after the other, as after a start.
_BETWEEN_SECONDS = 0.25


class _Listening(NamedTuple):
    session: Streaming
    task: asyncio.Task[None]


class Streams:
    """The streams that are wanted, as long as it runs."""

    def __init__(
        self,
        places: Places,
        push: Callable[[Key], None],
        count: Callable[[str], None],
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        """Listen to nothing yet.

        Args:
            places: know who is to be listened to.
            push: is told of a connection where something may have changed.
            count: is told why each stream ended.
            clock: monotonic, in seconds.
            chance: a random number from 0 to 1.
        """
        self._places = places
        self._push = push
        self._count = count
        self._clock = clock
        self._chance = chance
        self._moved: dict[Key, None] = {}
        self._is_moved = asyncio.Event()
        self._listening: dict[Key, _Listening] = {}
        self._open: set[Key] = set()
        self._next = 0.0

    def __len__(self) -> int:
        return len(self._open)

    def look_at(self, connection: Key) -> None:
        """Have a connection listened to, or no more, as is wanted by now."""
        self._moved[connection] = None
        self._is_moved.set()

    async def run(self) -> None:
        """Listen until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._is_moved.wait()
                self._is_moved.clear()
                moved, self._moved = self._moved, {}
                for connection in moved:
                    self._settle(connection, group)

    def _settle(self, connection: Key, group: asyncio.TaskGroup) -> None:
        """Begin or end to listen to a connection."""
        wanted, there = self._places.streaming(connection), None
        if connection in self._listening:
            there = self._listening[connection]
            if there.session is wanted:
                return
            del self._listening[connection]
            there.task.cancel()
        if wanted is not None:
            task = group.create_task(self._listen(connection, wanted))
            self._listening[connection] = _Listening(wanted, task)

    async def _listen(self, connection: Key, session: Streaming) -> None:
        """Listen to a connection, again and again."""
        failures = 0
        while True:
            wait = self._wait(connection)
            await asyncio.sleep(wait)
            if self._places.health(connection):
                continue
            began = self._clock()
            failure = await self._once(connection, session)
            self._count(failure.reason if failure else "ended")
            if self._clock() - began >= _LASTING_SECONDS:
                failures = 0
            failures += 1
            _tell(connection, failure, failures)
            await asyncio.sleep(_pause(failures, failure, self._chance()))

    def _wait(self, connection: Key) -> float:
        """Return the seconds until a vault may be asked, or is looked at again."""
        if self._places.health(connection):
            return _LOOK_SECONDS * (0.5 + self._chance())
        now = self._clock()
        turn = max(self._next, now)
        self._next = turn + _BETWEEN_SECONDS
        return turn - now

    async def _once(self, connection: Key, session: Streaming) -> Failure | None:
        """Listen until the stream ends; return why, where that is a failure."""
        try:
            async with aclosing(session.changes()) as changes:
                async for _ in changes:
                    self._open.add(connection)
                    self._push(connection)
        except Failure as failure:
            return failure
        except Exception:
            log.exception("listening broke", connection=str(connection))
        finally:
            self._open.discard(connection)
        return None


def _pause(failures: int, failure: Failure | None, chance: float) -> float:
    """Return the seconds until a stream is asked for again."""
    if failure and not failure.retry:
        return _PERSON_SECONDS * (0.5 + chance)
    asked = failure.wait if isinstance(failure, VaultFailure) else 0.0
    if failures == 1:
        return asked + backoff.delay(1, chance, _SOON_SECONDS)
    return asked + backoff.delay(failures - 1, chance, _LATER_SECONDS)


def _tell(connection: Key, failure: Failure | None, failures: int) -> None:
    """Log what goes on not to work, once."""
    if failure and failures == 2:  # noqa: PLR2004 - the first is over in a moment
        detail = failure.detail if isinstance(failure, VaultFailure) else ""
        log.warning(
            "vault is not listened to",
            connection=str(connection),
            reason=failure.reason,
            detail=detail,
        )
