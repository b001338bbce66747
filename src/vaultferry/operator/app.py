"""Wires one operator process together and runs it until it is told to stop."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter

import structlog
from kubernetes.aio.client import Configuration

from vaultferry.cluster import Cluster
from vaultferry.core.urgency import Lane
from vaultferry.operator import health
from vaultferry.operator.lease import Lease, new_identity
from vaultferry.operator.metrics import Metrics
from vaultferry.operator.queue import Closed, WorkQueue
from vaultferry.operator.recorder import Recorder
from vaultferry.operator.relist import Relist
from vaultferry.operator.secretwatch import SecretWatch
from vaultferry.operator.settings import Settings
from vaultferry.operator.stopping import handle_signals
from vaultferry.operator.vaultsecretwatch import VaultSecretWatch
from vaultferry.reconcile import Reconciler, Surroundings
from vaultferry.views import Key, Secrets, VaultSecrets

log = structlog.get_logger()

_DRAIN_SECONDS = 10.0
_SILENCE_SECONDS = 600.0
_POISON_SECONDS = 60.0


class Operator:
    """One operator process: its views, its queue and what works on them."""

    def __init__(self, settings: Settings, configuration: Configuration) -> None:
        configuration.connection_pool_maxsize = settings.connections
        clock = time.monotonic
        self._settings = settings
        self._metrics = Metrics()
        self._cluster = Cluster(configuration, self._metrics.called)
        self._lease = Lease(
            self._cluster,
            settings.lease_namespace,
            new_identity(),
            clock,
            random.random,
        )
        self._queue: WorkQueue[Key] = WorkQueue(clock, attrgetter("namespace"))
        self._vaultsecrets = VaultSecrets()
        self._secrets = Secrets(self._vaultsecrets)
        self._recorder = Recorder(self._cluster, clock, self._metrics.event_lost)
        self._vaultsecret_watch = VaultSecretWatch(
            self._cluster, configuration, self._vaultsecrets, self._queue.add
        )
        self._secret_watch = SecretWatch(
            self._cluster, self._secrets, self._vaultsecrets, self._queue.add, clock
        )
        self._relist = Relist(self._cluster, self._vaultsecrets, self._queue.add)
        around = Surroundings(
            now=_now,
            clock=clock,
            chance=random.random,
            post=self._recorder.post,
            prefixes=settings.prefixes,
        )
        self._reconcile = Reconciler(
            self._cluster, self._vaultsecrets, self._secrets, settings.keyring, around
        )
        self._add_gauges()

    async def run(self) -> None:
        """Serve, and reconcile while the lease is ours, until SIGTERM or SIGINT.

        Raises:
            LeaseLost: somebody else leads; what was being worked on is left as it is.
        """
        stop = asyncio.Event()
        handle_signals(stop)
        try:
            async with self._serving() as port:
                log.info("started", port=port, keys=self._settings.keyring.key_ids)
                if await self._lease.acquire(stop):
                    await self._lead(stop)
        finally:
            await self._cluster.close()

    async def _lead(self, stop: asyncio.Event) -> None:
        """Reconcile; finish what is being worked on, and only then let go."""
        async with self._lease.kept(), self._background():
            await self._vaultsecret_watch.run(stop)
            log.info("stopping")

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[int]:
        live = {"secret watch": lambda: self._silence() < _SILENCE_SECONDS}
        ready = {
            "lease": lambda: self._lease.is_known,
            "list of Secrets": self._if_leading(self._secret_watch.complete.is_set),
            "VaultSecret watch": self._if_leading(
                lambda: self._vaultsecret_watch.is_running
            ),
        }
        port = self._settings.port
        async with health.serving(port, self._metrics, live, ready) as served:
            yield served

    @asynccontextmanager
    async def _background(self) -> AsyncIterator[None]:
        """Run watch, recorder and workers; an unexpected end of one ends all."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._secret_watch.run()),
                group.create_task(self._recorder.run()),
                group.create_task(self._relist.run()),
            ]
            workers = [
                group.create_task(self._work()) for _ in range(self._settings.workers)
            ]
            yield
            self._queue.close()
            # Before the list of Secrets is complete, none of them has begun anything.
            drain = _DRAIN_SECONDS if self._secret_watch.complete.is_set() else 0
            _, late = await asyncio.wait(workers, timeout=drain)
            for task in [*tasks, *late]:
                task.cancel()

    async def _work(self) -> None:
        await self._secret_watch.complete.wait()
        while True:
            try:
                key = await self._queue.get()
            except Closed:
                return
            self._queue.done(key, await self._once(key))

    async def _once(self, key: Key) -> float:
        """Reconcile a key; return when it is due again. One bad object stops none."""
        began = time.monotonic()
        try:
            result = await self._reconcile(key)
        except Exception:
            log.exception("reconcile broke", namespace=key.namespace, name=key.name)
            self._metrics.reconciled("Unexpected", time.monotonic() - began)
            return _POISON_SECONDS
        self._metrics.reconciled(result.name, time.monotonic() - began)
        level = logging.WARNING if result.is_failure else logging.DEBUG
        log.log(
            level,
            "reconciled",
            namespace=key.namespace,
            name=key.name,
            result=result.name,
            request_id=result.request_id,
        )
        return result.again

    def _if_leading(self, check: Callable[[], bool]) -> Callable[[], bool]:
        """Ask a replica that waits for no more: a rollout waits until it is ready."""
        return lambda: not self._lease.is_held or check()

    def _silence(self) -> float:
        """Return how long the watch of Secrets has been silent, where there is one."""
        if not self._lease.is_held:
            return 0.0
        return time.monotonic() - self._secret_watch.heard

    def _add_gauges(self) -> None:
        gauge = self._metrics.gauge
        self._add_lane_gauge(
            "queue_depth", "Keys that wait to be worked on.", self._queue.depth
        )
        self._add_lane_gauge(
            "queue_oldest_seconds",
            "How long the key that waits longest has waited in its lane.",
            self._queue.age,
        )
        gauge(
            "leading",
            "1 where this replica holds the lease and reconciles, 0 where it waits.",
            lambda: self._lease.is_held,
        )
        gauge("vaultsecrets", "VaultSecrets in view.", self._vaultsecrets.__len__)
        gauge("secrets", "Secrets in view.", self._secrets.__len__)
        gauge(
            "secret_watch_silence_seconds",
            "Since the watch of Secrets last said something, bookmarks included.",
            self._silence,
        )

    def _add_lane_gauge(
        self, name: str, text: str, read: Callable[[Lane], float]
    ) -> None:
        reads = {lane.name.lower(): partial(read, lane) for lane in Lane}
        self._metrics.gauges(name, text, "lane", reads)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
