"""One leadership: everything that lives only as long as the Lease is held.

It is made anew each time, so what an earlier one saw, remembered or was about to do
is gone with it.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from operator import attrgetter
from time import monotonic

import structlog

from vaultferry.apiserver.server import ApiServer
from vaultferry.cluster import Cluster
from vaultferry.connections import Connections
from vaultferry.core.urgency import Lane
from vaultferry.operator import clock, watching
from vaultferry.operator.fetching import Fetching, Views
from vaultferry.operator.gate import Gate
from vaultferry.operator.keeping import Keeping
from vaultferry.operator.leftovers import Leftovers
from vaultferry.operator.metrics import Metrics
from vaultferry.operator.publickeys import PublicKeys
from vaultferry.operator.queue import WorkQueue, serve
from vaultferry.operator.recorder import Recorder
from vaultferry.operator.relist import Relist
from vaultferry.operator.secretwatch import SecretWatch
from vaultferry.operator.settings import Settings
from vaultferry.operator.stopping import insist
from vaultferry.operator.vaultsecretwatch import VaultSecretWatch
from vaultferry.reconcile import Reconciler, Surroundings
from vaultferry.sourcing import VaultSource
from vaultferry.views import Key, Secrets, VaultSecrets

log = structlog.get_logger()

_DRAIN_SECONDS = 10.0
_POISON_SECONDS = 60.0


class Term:
    """The views, the queue and what works on them, during one leadership."""

    def __init__(
        self,
        settings: Settings,
        server: ApiServer,
        cluster: Cluster,
        metrics: Metrics,
        stop: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self.vaultsecrets = VaultSecrets()
        self.connections = Connections()
        self.secrets = Secrets(self.vaultsecrets, self.connections.opening)
        self.queue: WorkQueue[Key] = WorkQueue(
            monotonic, attrgetter("namespace"), metrics.served, self.secrets.shared
        )
        self._gate = Gate(settings.scopes, self.queue.add)
        wake = self._gate.add
        views = Views(self.connections, self.vaultsecrets, self.secrets)
        self._fetching = Fetching(cluster, settings, views, wake, metrics)
        self._recorder = Recorder(cluster, monotonic, metrics.event_lost)
        self._keeping = Keeping(
            cluster, settings, views, self._fetching, self._recorder
        )
        self.places, self.streams = self._fetching.places, self._fetching.streams
        handlers = partial(
            watching.registry,
            server,
            self.vaultsecrets,
            wake,
        )
        self.vaultsecret_watch = VaultSecretWatch(
            cluster,
            handlers,
            settings.scopes,
            partial(metrics.restarted, "vaultsecrets"),
            stop,
        )
        self.secret_watches = {
            scope: SecretWatch(
                cluster=cluster,
                scope=scope,
                secrets=self.secrets,
                moved=self._moved,
                restarted=partial(metrics.restarted, "secrets"),
                clock=monotonic,
            )
            for scope in settings.scopes
        }
        self._relist = Relist(
            cluster, settings.scopes, self.vaultsecrets, wake, metrics.missed
        )
        self._public_keys = PublicKeys(
            cluster, settings.lease_namespace, settings.keyring
        )
        self._leftovers = Leftovers(cluster, self.vaultsecrets, self.secrets, wake)
        around = Surroundings(
            now=clock.now,
            clock=monotonic,
            chance=random.random,
            post=self._recorder.post,
            repaired=metrics.repaired,
            keep=self._keeping.look_at,
            prefixes=settings.prefixes,
        )
        vaults = VaultSource(
            self.connections, self.places, self.vaultsecrets.came, monotonic
        )
        self.reconcile = Reconciler(
            cluster, self.vaultsecrets, self.secrets, settings.keyring, around, vaults
        )

    def silence(self) -> float:
        """Return the seconds since the most silent watch of Secrets said something."""
        watches = self.secret_watches.values()
        return monotonic() - min(watch.heard for watch in watches)

    def sealed_for(self, name: str) -> int:
        """Count the VaultSecrets whose oldest key is called so by the keyring."""
        return self._settings.keyring.counted(self.vaultsecrets.by_key_ids)[name]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch and work until left; finish what is being worked on.

        An unexpected end of one part ends all. Where it is left by being cancelled,
        nothing is finished.
        """
        async with asyncio.TaskGroup() as group:
            kopf = group.create_task(self.vaultsecret_watch.run())
            tasks = [
                *(
                    group.create_task(each.run())
                    for each in self.secret_watches.values()
                ),
                *(group.create_task(self._open(each)) for each in self.secret_watches),
                group.create_task(self._relist.run()),
                group.create_task(self._recorder.run()),
                group.create_task(self._public_keys.run()),
                group.create_task(self._fetching.run()),
                group.create_task(self._keeping.run()),
            ]
            workers = [
                group.create_task(serve(self.queue, self._once))
                for _ in range(self._settings.workers)
            ]
            try:
                yield
                # Once only: it cleans up after the first, and would leave that by a
                # second.
                kopf.cancel()
                self.queue.close()
                _, late = await asyncio.wait(workers, timeout=_DRAIN_SECONDS)
                for task in [*tasks, *late]:
                    task.cancel()
            finally:
                insist([*tasks, *workers])

    def _moved(self, secret: Key, lane: Lane) -> None:
        for key in self.vaultsecrets.using(secret):
            self._gate.add(key, lane)
        for connection in self.connections.opening(secret):
            self._fetching.look_at(connection)

    async def _open(self, scope: str | None) -> None:
        await self.secret_watches[scope].complete.wait()
        await self._fetching.known(scope)
        self._gate.open(scope)
        await self._leftovers.run(scope)

    async def _once(self, key: Key) -> tuple[float, Lane]:
        """Reconcile a key. One bad object stops none."""
        began = monotonic()
        try:
            result = await self.reconcile(key)
        except Exception:
            log.exception("reconcile broke", namespace=key.namespace, name=key.name)
            self._metrics.reconciled("Unexpected", monotonic() - began)
            return _POISON_SECONDS, Lane.ROUTINE
        self._metrics.reconciled(result.name, monotonic() - began)
        level = logging.WARNING if result.is_failure else logging.DEBUG
        log.log(
            level,
            "reconciled",
            namespace=key.namespace,
            name=key.name,
            result=result.name,
            request_id=result.request_id,
        )
        return result.again, result.lane
