"""Compares the view of VaultSecrets with a list, now and then.

kopf does not tell of deletions that its watch missed, and a watch can be silent
without being broken. The list is paged and of metadata only; what differs from the
view, and still does a moment later, is read.
"""

import asyncio
import random
from collections.abc import Callable

import structlog

from vaultferry.cluster import Cluster
from vaultferry.core.answers import Absent, Expired, Stale
from vaultferry.core.errors import Failure
from vaultferry.core.urgency import Lane
from vaultferry.operator.scopes import Scopes, keys_within
from vaultferry.views import Key, VaultSecrets

log = structlog.get_logger()

SHORTEST_SECONDS = 600.0
LONGEST_SECONDS = 1800.0
# What changes while we list is not missed: the watch gets so long to tell of it.
GRACE_SECONDS = 30.0


class Relist:
    """Finds what the watch of VaultSecrets missed."""

    def __init__(
        self,
        cluster: Cluster,
        scopes: Scopes,
        vaultsecrets: VaultSecrets,
        wake: Callable[[Key, Lane], None],
        missed: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._scopes = scopes
        self._vaultsecrets = vaultsecrets
        self._wake = wake
        self._missed = missed

    async def run(self) -> None:
        """Compare every 10 to 30 minutes, for ever."""
        while True:
            await asyncio.sleep(random.uniform(SHORTEST_SECONDS, LONGEST_SECONDS))
            for scope in self._scopes:
                await self._tried(scope)

    async def _tried(self, scope: str | None) -> None:
        try:
            await self.compare(scope, GRACE_SECONDS)
        except (Absent, Expired, Failure, Stale) as error:
            reason = type(error).__name__
            log.warning(
                "list of VaultSecrets not compared", within=scope, reason=reason
            )

    async def compare(self, scope: str | None, grace: float) -> None:
        """Compare once, and mend the view where the watch does not within `grace`.

        Args:
            scope: a namespace; None: all of the cluster.
            grace: how long the watch has, in seconds.
        """
        suspects = self._differing(scope, await self._listed(scope))
        if not suspects:
            return
        await asyncio.sleep(grace)
        for key, version in suspects.items():
            if self._vaultsecrets.version(key) == version:
                await self._look(key)

    async def _listed(self, scope: str | None) -> dict[Key, int]:
        return {
            Key.of(body): int(body["metadata"]["resourceVersion"])
            async for page, _ in self._cluster.list_vaultsecrets(scope)
            for body in page
        }

    def _differing(
        self, scope: str | None, listed: dict[Key, int]
    ) -> dict[Key, int | None]:
        """Return the keys that differ, each with its version in the view."""
        keys = listed.keys() | keys_within(scope, self._vaultsecrets.keys())
        seen = {key: self._vaultsecrets.version(key) for key in keys}
        return {
            key: version
            for key, version in seen.items()
            if key not in listed or version is None or version < listed[key]
        }

    async def _look(self, key: Key) -> None:
        log.warning("watch missed a change", namespace=key.namespace, name=key.name)
        self._missed()
        waiting: tuple[Key, ...] = ()
        try:
            self._vaultsecrets.put(await self._cluster.get_vaultsecret(*key))
        except Absent:
            waiting = self._vaultsecrets.drop(key)
        for each in (key, *waiting):
            self._wake(each, Lane.URGENT)
