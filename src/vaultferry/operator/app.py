"""Wires one operator process together and runs it until it is told to stop."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog
from kubernetes.aio.client import Configuration

from vaultferry.cluster import Cluster
from vaultferry.operator import health
from vaultferry.operator.metrics import Metrics
from vaultferry.operator.queue import Closed, WorkQueue
from vaultferry.operator.recorder import Recorder
from vaultferry.operator.secretwatch import SecretWatch
from vaultferry.operator.settings import Settings
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
        self._queue: WorkQueue[Key] = WorkQueue(clock)
        self._vaultsecrets = VaultSecrets()
        self._secrets = Secrets(self._vaultsecrets)
        self._recorder = Recorder(self._cluster, clock, self._metrics.event_lost)
        self._vaultsecret_watch = VaultSecretWatch(
            self._cluster, configuration, self._vaultsecrets, self._queue.add
        )
        self._secret_watch = SecretWatch(
            self._cluster, self._secrets, self._vaultsecrets, self._queue.add, clock
        )
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
        """Run until SIGTERM or SIGINT; finish what is being worked on."""
        try:
            async with self._serving() as port, self._background():
                log.info("started", port=port, keys=self._settings.keyring.key_ids)
                await self._vaultsecret_watch.run(asyncio.Event())
                log.info("stopping")
        finally:
            await self._cluster.close()

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[int]:
        live = {"secret watch": lambda: self._silence() < _SILENCE_SECONDS}
        ready = {
            "list of Secrets": self._secret_watch.complete.is_set,
            "VaultSecret watch": lambda: self._vaultsecret_watch.is_running,
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
        )
        return result.again

    def _silence(self) -> float:
        return time.monotonic() - self._secret_watch.heard

    def _add_gauges(self) -> None:
        gauge, queue = self._metrics.gauge, self._queue
        gauge("queue_depth", "Keys that wait to be worked on.", queue.__len__)
        gauge(
            "queue_oldest_seconds",
            "How long the key that waits longest has waited.",
            lambda: queue.age,
        )
        gauge("vaultsecrets", "VaultSecrets in view.", self._vaultsecrets.__len__)
        gauge("secrets", "Secrets in view.", self._secrets.__len__)
        gauge(
            "secret_watch_silence_seconds",
            "Since the watch of Secrets last said something, bookmarks included.",
            self._silence,
        )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
