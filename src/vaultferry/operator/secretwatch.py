"""Our own watch of Secrets, which asks for their metadata only: kopf cannot."""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from vaultferry.cluster import Cluster, Expired
from vaultferry.core.backoff import delay
from vaultferry.core.errors import Failure
from vaultferry.core.urgency import Lane
from vaultferry.views import Key, Secrets, VaultSecrets

log = structlog.get_logger()

_WATCH_SECONDS = 600
_PAUSE_SECONDS = 0.2


class SecretWatch:
    """Keeps the view of Secrets current, and wakes the VaultSecrets they concern."""

    def __init__(
        self,
        cluster: Cluster,
        secrets: Secrets,
        vaultsecrets: VaultSecrets,
        wake: Callable[[Key, Lane], None],
        clock: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._secrets = secrets
        self._vaultsecrets = vaultsecrets
        self._wake = wake
        self._clock = clock
        self._failures = 0
        self._version: str | None = None
        self.complete = asyncio.Event()
        """Set once the list of Secrets is complete: no decision before that."""
        self.heard = clock()
        """When the server last said something."""

    async def run(self) -> None:
        """List and watch for ever; back off while the API server fails."""
        self.heard = self._clock()
        while True:
            try:
                await self._follow(self._version or await self._list())
                # A server, or a proxy, that ends watches at once must not spin us.
                await asyncio.sleep(_PAUSE_SECONDS)
            except Expired:
                self._version = None
                await asyncio.sleep(_PAUSE_SECONDS)
            except Failure as failure:
                self._failures += 1
                log.warning("secret watch interrupted", reason=failure.reason)
                await asyncio.sleep(delay(self._failures, random.random(), first=0.5))

    async def _list(self) -> str:
        listed: set[Key] = set()
        version = ""
        async for page, version in self._cluster.list_secrets():  # noqa: B007
            for body in page:
                listed.add(Key.of(body))
                self._changed(body)
        for key in self._secrets.keys() - listed:
            self._missed(key, int(version))
        self._heard()
        self.complete.set()
        self._version = version
        return version

    async def _follow(self, version: str) -> None:
        """Watch from a version, and keep the one that was reached."""
        watch = self._cluster.watch_secrets(version, _WATCH_SECONDS)
        async for kind, body in watch:
            self._heard()
            self._version = body["metadata"]["resourceVersion"]
            if kind == "DELETED":
                self._gone(Key.of(body), body["metadata"]["uid"])
            elif kind != "BOOKMARK":
                self._changed(body)

    def _changed(self, body: Mapping[str, Any]) -> None:
        if self._secrets.put(body):
            self._wake_users(Key.of(body))

    def _missed(self, key: Key, version: int) -> None:
        """Forget a Secret that the list no longer has, unless we made it since."""
        seen = self._secrets.get(key)
        if seen and int(seen.resource_version) <= version:
            self._gone(key, seen.uid)

    def _gone(self, key: Key, uid: str) -> None:
        self._secrets.drop(key, uid)
        self._wake_users(key)

    def _wake_users(self, secret: Key) -> None:
        # What the first list finds is most likely as it was left.
        lane = Lane.URGENT if self.complete.is_set() else Lane.LAST
        for key in self._vaultsecrets.targeting(secret):
            self._wake(key, lane)

    def _heard(self) -> None:
        self._failures = 0
        self.heard = self._clock()
