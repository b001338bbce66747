"""What can be done to a request. A fault is a function of the exchange."""

import asyncio
import json
import random
from collections.abc import Callable
from enum import Enum
from typing import Any

from tests.faults.exchange import Answer, Exchange
from tests.faults.rules import Fault

_STREAM_SECONDS = 0.3
_LATE_SECONDS = 0.05


async def passed(exchange: Exchange) -> None:
    """Do nothing to it."""
    await exchange.relay()


async def dropped(exchange: Exchange) -> None:
    """Take the request, and never answer."""
    await exchange.hold()


async def reset(exchange: Exchange) -> None:
    """End the connection with a TCP reset; the server hears nothing of it."""
    await exchange.reset()


async def unanswered(exchange: Exchange) -> None:
    """End the connection with a TCP reset after the server has answered."""
    await exchange.ask()
    await exchange.reset()


def delayed(seconds: float) -> Fault:
    """Hand it on later."""

    async def fault(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await exchange.relay()

    return fault


class Held:
    """Keeps requests waiting until they are let go."""

    def __init__(self) -> None:
        self._released = asyncio.Event()

    async def release(self) -> None:
        """Let all go, those that are to come too."""
        self._released.set()

    async def __call__(self, exchange: Exchange) -> None:
        """Hand it on once it may go."""
        await self._released.wait()
        await exchange.relay()


def answered(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer instead of the server, which hears nothing of it.

    Args:
        status: of HTTP.
        body: all of it.
        headers: by name, `_` for `-`.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def fault(exchange: Exchange) -> None:
        await exchange.answer(Answer(status, body, named))

    return fault


def cut(after: int) -> Fault:
    """End the connection after so many bytes of the body."""

    async def fault(exchange: Exchange) -> None:
        exchange.cut = after
        await exchange.relay()

    return fault


def split(size: int) -> Fault:
    """Send the body in packets of so many bytes."""

    async def fault(exchange: Exchange) -> None:
        exchange.piece = size
        await exchange.relay()

    return fault


def withheld(which: Callable[[bytes], bool] = lambda _: True) -> Fault:
    """Keep lines of the answer back until they are released, or for ever."""

    async def fault(exchange: Exchange) -> None:
        exchange.withhold(which)
        await exchange.relay()

    return fault


async def silence(exchange: Exchange) -> None:
    """Send nothing more of an answer that has begun; the connection stays."""
    exchange.withhold(lambda _: True)


async def broken(exchange: Exchange) -> None:
    """Reset the connection of an answer that has begun."""
    exchange.abort()


async def half(exchange: Exchange) -> None:
    """Send half a line in an answer that has begun, and end the connection."""
    await exchange.send(b'{"type":"MODIFIED","object":{"kind":"Sec')
    exchange.shut()


class Doubled:
    """Sends every line of answers that have begun twice."""

    def __init__(self) -> None:
        self.done = 0

    async def __call__(self, exchange: Exchange) -> None:
        """Begin with an answer."""
        exchange.retell = self._twice

    def _twice(self, line: bytes) -> list[bytes]:
        self.done += 1
        return [line, line]


class Swapped:
    """Tells two events of different objects the other way round, once an answer."""

    def __init__(self) -> None:
        self.done = 0

    async def __call__(self, exchange: Exchange) -> None:
        """Begin with an answer."""
        held: list[bytes] = []

        def swap(line: bytes) -> list[bytes]:
            if _key(line) is None or (held and _key(held[0]) == _key(line)):
                # The order in which one object changes stays, and so do bookmarks.
                before = held.copy()
                held.clear()
                return [*before, line]
            if not held:
                held.append(line)
                return []
            self.done += 1
            exchange.retell = lambda line: [line]
            return [line, *held]

        exchange.retell = swap


def _key(line: bytes) -> tuple[str, str] | None:
    """Return namespace and name of what an event is about; None of a bookmark."""
    metadata = json.loads(line)["object"]["metadata"]
    return (metadata["namespace"], metadata["name"]) if "name" in metadata else None


def told(line: bytes) -> Fault:
    """Send a line in an answer that has begun."""

    async def fault(exchange: Exchange) -> None:
        await exchange.send(line + b"\n")

    return fault


class Replay:
    """Keeps the last answer to each read, and once `stale` gives those again."""

    def __init__(self) -> None:
        self.stale = False
        self.replayed = 0
        self._kept: dict[tuple[str, str], Answer] = {}

    async def __call__(self, exchange: Exchange) -> None:
        """Answer from memory, or ask and remember."""
        key = exchange.entry.target, exchange.accept
        if not self.stale:
            self._kept[key] = await _whole(exchange)
        elif key in self._kept:
            self.replayed += 1
        else:
            return await exchange.relay()
        return await exchange.answer(self._kept[key])


async def _whole(exchange: Exchange) -> Answer:
    answer = await exchange.ask()
    body = await answer.read()
    kept = ("Content-Type", "Content-Encoding")
    headers = {name: answer.headers[name] for name in kept if name in answer.headers}
    return Answer(answer.status, body, headers)


class When(Enum):
    """At which moment of a request its client is killed."""

    UNSENT = "unsent"
    """Before the server has heard of it."""

    UNANSWERED = "unanswered"
    """After the server has done it, before the client knows."""

    ANSWERED = "answered"
    """After the client was told, or, where the answer has no end, has begun to be."""


def killed(kill: Callable[[], None], when: When, chance: random.Random) -> Fault:
    """Kill the client at a moment of this request.

    Args:
        kill: does it.
        when: the moment.
        chance: says how long after an answer, up to 50 ms: how far the client gets
            with what it was told.
    """

    async def fault(exchange: Exchange) -> None:
        if when is When.ANSWERED:
            return await _answered(exchange, kill, chance.uniform(0, _LATE_SECONDS))
        if when is When.UNANSWERED:
            await exchange.ask()
        kill()
        return await exchange.reset()

    return fault


async def _answered(exchange: Exchange, kill: Callable[[], None], later: float) -> None:
    relayed = asyncio.ensure_future(exchange.relay())
    try:
        await asyncio.wait({relayed}, timeout=_STREAM_SECONDS)
        # Whatever becomes of the exchange meanwhile.
        asyncio.get_running_loop().call_later(later, kill)
        await relayed
    finally:
        relayed.cancel()


def status(code: int, **headers: str) -> Fault:
    """Answer an error as an API server does, instead of it."""
    body = json.dumps(_failure(code)).encode()
    return answered(code, body, Content_Type="application/json", **headers)


def error(code: int) -> Fault:
    """Tell a watch of an error, as an API server does."""
    return told(json.dumps({"type": "ERROR", "object": _failure(code)}).encode())


def _failure(code: int) -> dict[str, Any]:
    said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    return {**said, "metadata": {}, "message": "injected"}
