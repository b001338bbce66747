"""Finds keys in Secrets that VaultSecrets have left: who was deleted unseen.

A deletion that the watch tells of needs no search. Only where Secrets hold records of
merging is anything asked at all; the list is paged and of metadata only.
"""

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from vaultferry.cluster import Cluster
from vaultferry.core.answers import Absent, Expired, Stale
from vaultferry.core.errors import Failure
from vaultferry.core.urgency import Lane
from vaultferry.operator.scopes import keys_within
from vaultferry.views import Key, Secrets, VaultSecrets

log = structlog.get_logger()

# In most clusters the first list of the watch is there by then; if not, it costs reads.
START_SECONDS = 10.0
SHORTEST_SECONDS = 600.0
LONGEST_SECONDS = 1800.0


@dataclass(frozen=True)
class Leftovers:
    """Wakes VaultSecrets that are gone and have left keys in a Secret."""

    cluster: Cluster
    vaultsecrets: VaultSecrets
    secrets: Secrets
    wake: Callable[[Key, Lane], None]

    async def run(self, scope: str | None) -> None:
        """Search at a start, and every 10 to 30 minutes, for ever.

        Args:
            scope: a namespace whose Secrets are in view; None: all of the cluster.
        """
        await self._tried(scope)
        # Who was deleted since, but before the watch of VaultSecrets began, is told
        # of by nobody.
        await asyncio.sleep(START_SECONDS)
        self._compare(scope, self.vaultsecrets.keys())
        while True:
            await asyncio.sleep(random.uniform(SHORTEST_SECONDS, LONGEST_SECONDS))
            await self._tried(scope)

    async def _tried(self, scope: str | None) -> None:
        try:
            await self._search(scope)
        except (Absent, Expired, Failure, Stale) as error:
            reason = type(error).__name__
            log.warning("leftovers not searched for", within=scope, reason=reason)

    async def _search(self, scope: str | None) -> None:
        if not keys_within(scope, self.secrets.recorders()):
            return
        there = {
            Key.of(body)
            async for page, _ in self.cluster.list_vaultsecrets(scope)
            for body in page
        }
        self._compare(scope, there)

    def _compare(self, scope: str | None, there: Collection[Key]) -> None:
        recorders = keys_within(scope, self.secrets.recorders())
        for key in recorders.difference(there):
            self.wake(key, Lane.LAST)
