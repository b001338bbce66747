"""Webhooks that a fake vault sends, signed as the real one does."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable

import aiohttp

from tests.vaults.message import JSON
from tests.vaults.vault import Kept

# Infisical waits so long for an answer, and tries once.
_SECONDS = aiohttp.ClientTimeout(total=15)

Write = Callable[["Hook", object], tuple[bytes, dict[str, str]]]


class Hook(Kept):
    """Who is told of changes."""

    url: str
    place: str
    """Where they are, as its vault has it."""

    secret: str = ""
    """What is signed with; nothing: it is not signed."""


class Sender:
    """Sends webhooks in the background; those to one receiver are joined meanwhile."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.answers: list[int | None] = []
        """The statuses that came back, None where nothing did."""

    def send(self, hook: Hook, news: object, wait: float = 0.0) -> None:
        """Tell a receiver after so many seconds, unless it is about to be told."""
        if hook.url not in self._waiting:
            self._waiting.add(hook.url)
            task = asyncio.get_running_loop().create_task(self._sent(hook, news, wait))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Send nothing more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _sent(self, hook: Hook, news: object, wait: float) -> None:
        await asyncio.sleep(wait)
        self._waiting.discard(hook.url)
        body, headers = self._write(hook, news)
        try:
            async with (
                aiohttp.ClientSession(timeout=_SECONDS) as session,
                session.post(hook.url, data=body, headers=JSON | headers) as answer,
            ):
                self.answers.append(answer.status)
        except (aiohttp.ClientError, TimeoutError):
            self.answers.append(None)


def signature(secret: str, body: bytes) -> str:
    """Return what both vendors sign with, in hex."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
