"""Our own watch of Secrets, which asks for their metadata only: kopf cannot."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from vaultferry.cluster import Cluster
from vaultferry.core.answers import Absent, Expired, Stale
from vaultferry.core.backoff import delay
from vaultferry.core.errors import ApiForbidden, Failure
from vaultferry.core.urgency import Lane
from vaultferry.operator.scopes import keys_within
from vaultferry.views import Key, Secrets

log = structlog.get_logger()

_WATCH_SECONDS = 600
_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass
class SecretWatch:
    """Keeps the view of the Secrets of a scope current, and tells which moved."""

    cluster: Cluster
    scope: str | None
    """The namespace; None: all of the cluster."""

    secrets: Secrets
    moved: Callable[[Key, Lane], None]
    """Is told the key of a Secret that moved."""

    restarted: Callable[[str], None]
    """Is told why a watch ended."""

    clock: Callable[[], float]

    complete: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the list of Secrets is complete: no decision before that."""

    is_refused: bool = False
    """Whether the server last said that we lack a right."""

    heard: float = field(init=False)
    """When the server last said something."""

    _failures: int = 0
    _version: str | None = None

    def __post_init__(self) -> None:
        """Begin to count the silence."""
        self.heard = self.clock()

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
        listed: set[Key] = set()
        version = ""
        async for page, version in self.cluster.list_secrets(self.scope):  # noqa: B007
            for body in page:
                listed.add(Key.of(body))
                self._changed(body)
        for key in keys_within(self.scope, self.secrets.keys()) - listed:
            self._missed(key, int(version))
        self._heard()
        self.complete.set()
        self._version = version
        return version

    async def _follow(self, version: str) -> None:
        """Watch from a version, and keep the one that was reached."""
        watch = self.cluster.watch_secrets(self.scope, version, _WATCH_SECONDS)
        async for kind, body in watch:
            self._heard()
            self._version = body["metadata"]["resourceVersion"]
            if kind == "DELETED":
                self._gone(Key.of(body), body["metadata"]["uid"], int(self._version))
            elif kind != "BOOKMARK":
                self._changed(body)

    def _changed(self, body: Mapping[str, Any]) -> None:
        if self.secrets.put(body):
            self._tell(Key.of(body))

    def _missed(self, key: Key, version: int) -> None:
        """Forget a Secret that the list no longer has, unless we made it since."""
        seen = self.secrets.get(key)
        if seen and int(seen.resource_version) <= version:
            self._gone(key, seen.uid, version)

    def _gone(self, key: Key, uid: str, version: int) -> None:
        self.secrets.drop(key, uid, version)
        self._tell(key)

    def _tell(self, key: Key) -> None:
        # What the first list finds is most likely as it was left.
        self.moved(key, Lane.URGENT if self.complete.is_set() else Lane.LAST)

    def _failed(self, error: Exception) -> None:
        reason = type(error).__name__
        log.warning("secret watch interrupted", within=self.scope, reason=reason)
        self.restarted(reason)
        self._failures += 1
        self.is_refused = isinstance(error, ApiForbidden)
        if self.is_refused:
            # The watch is not broken, and a new process would be refused as well.
            self.heard = self.clock()

    def _pause(self) -> float:
        pause = delay(self._failures, random.random(), first=0.5)
        return min(_LONGEST_PAUSE_SECONDS, pause)

    def _heard(self) -> None:
        self._failures = 0
        self.is_refused = False
        self.heard = self.clock()
