"""Lists a kind and watches it, for ever, whatever the API server answers."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import structlog

from vaultferry.core.answers import Absent, Body, Expired, Stale
from vaultferry.core.backoff import delay
from vaultferry.core.errors import ApiForbidden, Failure
from vaultferry.views import Key

log = structlog.get_logger()

WATCH_SECONDS = 600
_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass(kw_only=True)
class ListWatch(ABC):
    """Follows what is in a scope; a kind says how it is listed, watched and kept."""

    NAME: ClassVar[str]
    """Of the watch, for the log."""

    scope: str | None
    """The namespace; None: all of the cluster."""

    restarted: Callable[[str], None]
    """Is told why a watch ended."""

    clock: Callable[[], float]

    complete: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a list is complete: no decision before that."""

    is_refused: bool = False
    """Whether the server last said that we lack a right."""

    heard: float = field(init=False)
    """When the server last said something."""

    _failures: int = 0
    _version: str | None = None

    def __post_init__(self) -> None:
        """Begin to count the silence."""
        self.heard = self.clock()

    @abstractmethod
    def pages(self) -> AsyncIterator[tuple[list[Body], str]]:
        """Yield what there is by pages, each with its resourceVersion."""

    @abstractmethod
    def changes(self, version: str) -> AsyncIterator[tuple[str, Body]]:
        """Yield (type, object) of changes since a version, bookmarks included."""

    @abstractmethod
    def changed(self, body: Mapping[str, Any]) -> None:
        """Take an object that was listed, or has changed."""

    @abstractmethod
    def gone(self, key: Key, uid: str, version: int) -> None:
        """Take the end of an object."""

    @abstractmethod
    def listed(self, keys: set[Key], version: int) -> None:
        """Take that nothing else was there at a version."""

    @abstractmethod
    def refused(self) -> None:
        """Take that the server says that we lack a right."""

    def key(self, body: Mapping[str, Any]) -> Key:
        """Return the key of an object."""
        return Key.of(body)

    async def run(self) -> None:
        """List and watch for ever; back off while the API server fails."""
        self.heard = self.clock()
        while True:
            try:
                await self._follow(self._version or await self._list())
                # It agreed to tell, though there may have been nothing to be told.
                self._heard()
                self.restarted("ended")
                # A server, or a proxy, that ends watches at once must not spin us.
                await asyncio.sleep(_PAUSE_SECONDS)
            except Expired:
                self._version = None
                self.restarted("Expired")
                await asyncio.sleep(_PAUSE_SECONDS)
            except (Absent, Failure, Stale) as error:
                self._failed(error)
                await asyncio.sleep(self._pause())

    async def _list(self) -> str:
        there: set[Key] = set()
        version = ""
        async for page, version in self.pages():  # noqa: B007
            for body in page:
                there.add(self.key(body))
                self.changed(body)
        self.listed(there, int(version))
        self._heard()
        self.complete.set()
        self._version = version
        return version

    async def _follow(self, version: str) -> None:
        """Watch from a version, and keep the one that was reached."""
        async for kind, body in self.changes(version):
            self._heard()
            self._version = body["metadata"]["resourceVersion"]
            if kind == "DELETED":
                self.gone(self.key(body), body["metadata"]["uid"], int(self._version))
            elif kind != "BOOKMARK":
                self.changed(body)

    def _failed(self, error: Exception) -> None:
        reason = type(error).__name__
        words = f"{self.NAME} interrupted"
        log.warning(words, within=self.scope, reason=reason)
        self.restarted(reason)
        self._failures += 1
        self.is_refused = isinstance(error, ApiForbidden)
        if self.is_refused:
            # The watch is not broken, and a new process would be refused as well.
            self.heard = self.clock()
            self.refused()

    def _pause(self) -> float:
        pause = delay(self._failures, random.random(), first=0.5)
        return min(_LONGEST_PAUSE_SECONDS, pause)

    def _heard(self) -> None:
        self._failures = 0
        self.is_refused = False
        self.heard = self.clock()
