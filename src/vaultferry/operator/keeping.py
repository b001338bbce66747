"""Works on what stores keep: it has workers of its own, as what is fetched has."""

import asyncio
import random
from operator import attrgetter
from time import monotonic

from vaultferry.cluster import Cluster
from vaultferry.core.urgency import Lane
from vaultferry.operator import clock
from vaultferry.operator.fetching import Fetching, Views, unmeasured, work
from vaultferry.operator.queue import WorkQueue
from vaultferry.operator.recorder import Recorder
from vaultferry.operator.settings import Settings
from vaultferry.storing import Around, Installation, Storer
from vaultferry.views import Key

# Of one store one at a time: AWS allows an account few writes a second.
_WORKERS = 4


class Keeping:
    """The VaultSecrets of which a store keeps something, and the workers for them."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        views: Views,
        fetching: Fetching,
        recorder: Recorder,
    ) -> None:
        self._due: WorkQueue[Key] = WorkQueue(
            monotonic, attrgetter("namespace"), unmeasured, views.vaultsecrets.store
        )
        around = Around(
            clock=monotonic,
            now=clock.now,
            chance=random.random,
            post=recorder.post,
            check_leads=cluster.check_leads,
            is_known=fetching.is_known,
        )
        self._store = Storer(
            cluster,
            settings.keyring,
            views.vaultsecrets,
            views.connections,
            fetching.places,
            Installation(cluster, settings.installation),
            around,
        )

    def look_at(self, vaultsecret: Key) -> None:
        """Have the store looked at that keeps values of a VaultSecret, or is to."""
        self._due.add(vaultsecret, Lane.ROUTINE)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(work(self._due, self._store))
