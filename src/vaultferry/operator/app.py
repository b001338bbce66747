"""Wires one operator process together and runs it until it is told to stop."""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import kopf
import structlog
from kubernetes.aio.client import Configuration

from vaultferry.cluster import Absent, Cluster
from vaultferry.core.backoff import delay
from vaultferry.core.errors import Failure
from vaultferry.operator import health, watching
from vaultferry.operator.metrics import Metrics
from vaultferry.operator.queue import Closed, WorkQueue
from vaultferry.operator.recorder import Recorder
from vaultferry.operator.secretwatch import SecretWatch
from vaultferry.operator.settings import Settings
from vaultferry.reconcile import Reconciler, Surroundings
from vaultferry.views import Key, Secrets, VaultSecrets

log = structlog.get_logger()

_CRD_RETRY_SECONDS = 5.0
_DRAIN_SECONDS = 10.0
_SILENCE_SECONDS = 600.0
_POISON_SECONDS = 60.0


class Operator:
    """One operator process: its views, its queue and what works on them."""

    def __init__(self, settings: Settings, configuration: Configuration) -> None:
        configuration.connection_pool_maxsize = settings.connections
        self._settings = settings
        self._configuration = configuration
        self._metrics = Metrics()
        self._cluster = Cluster(configuration, self._metrics.called)
        self._queue: WorkQueue[Key] = WorkQueue(time.monotonic)
        self._vaultsecrets = VaultSecrets()
        self._secrets = Secrets(self._vaultsecrets)
        self._recorder = Recorder(
            self._cluster, time.monotonic, self._metrics.event_lost
        )
        self._watch = SecretWatch(
            self._cluster,
            self._secrets,
            self._vaultsecrets,
            self._queue.add,
            time.monotonic,
        )
        self._reconcile = Reconciler(
            cluster=self._cluster,
            vaultsecrets=self._vaultsecrets,
            secrets=self._secrets,
            keyring=settings.keyring,
            around=Surroundings(
                now=_now,
                clock=time.monotonic,
                chance=random.random,
                post=self._recorder.post,
                prefixes=settings.prefixes,
            ),
        )
        self._stop = asyncio.Event()
        self._watching = False
        self._add_gauges()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; finish what is being worked on."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        live = {"secret-watch": self._hears}
        ready = {"secrets": self._watch.complete.is_set, "watch": self._is_watching}
        try:
            async with (
                health.serving(self._settings.port, self._metrics, live, ready) as port,
                self._background(),
            ):
                log.info("started", port=port, keys=self._settings.keyring.key_ids)
                await self._wait_for_crd()
                await self._supervise_kopf()
                log.info("stopping")
        finally:
            await self._cluster.close()

    @asynccontextmanager
    async def _background(self) -> AsyncIterator[None]:
        """Run watch, recorder and workers; an unexpected end of one ends all."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._watch.run()),
                group.create_task(self._recorder.run()),
            ]
            workers = [
                group.create_task(self._work()) for _ in range(self._settings.workers)
            ]
            yield
            self._queue.close()
            _, late = await asyncio.wait(workers, timeout=_DRAIN_SECONDS)
            for task in [*tasks, *late]:
                task.cancel()

    async def _work(self) -> None:
        await self._watch.complete.wait()
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
        log.debug(
            "reconciled", namespace=key.namespace, name=key.name, result=result.name
        )
        return result.again

    async def _wait_for_crd(self) -> None:
        """Wait until our kind is served: kopf would never look again."""
        while not self._stop.is_set():
            try:
                await self._cluster.check_served()
            except (Absent, Failure) as error:
                log.warning(
                    "VaultSecret is not served yet: apply crds/",
                    reason=type(error).__name__,
                )
                await self._pause(_CRD_RETRY_SECONDS)
            else:
                return

    async def _supervise_kopf(self) -> None:
        """Run kopf until a stop; start it again where an API fault ended it."""
        failures = 0
        while not self._stop.is_set():
            streaming = await self._can_stream()
            began = time.monotonic()
            self._watching = True
            try:
                await self._kopf(streaming=streaming)
                return
            except Exception:
                log.exception("watch of VaultSecrets ended")
            self._watching = False
            failures = (
                1 if time.monotonic() - began > _SILENCE_SECONDS else failures + 1
            )
            await self._pause(min(30.0, delay(failures, random.random())))

    async def _kopf(self, *, streaming: bool) -> None:
        await kopf.operator(
            registry=watching.registry(
                self._configuration, self._vaultsecrets, self._queue.add
            ),
            settings=watching.settings(streaming=streaming),
            clusterwide=True,
            standalone=True,
            stop_flag=self._stop,
        )

    async def _can_stream(self) -> bool:
        try:
            return await self._cluster.minor_version() >= watching.STREAMING_MINOR
        except (Absent, Failure):
            return False

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return

    def _hears(self) -> bool:
        return time.monotonic() - self._watch.heard < _SILENCE_SECONDS

    def _is_watching(self) -> bool:
        return self._watching

    def _add_gauges(self) -> None:
        gauge: Callable[[str, str, Callable[[], float]], None] = self._metrics.gauge
        gauge("queue_depth", "Keys that wait to be worked on.", self._queue.__len__)
        gauge(
            "queue_oldest_seconds",
            "How long the key that waits longest has waited.",
            lambda: self._queue.age,
        )
        gauge("vaultsecrets", "VaultSecrets in view.", self._vaultsecrets.__len__)
        gauge("secrets", "Secrets in view.", self._secrets.__len__)
        gauge(
            "secret_watch_silence_seconds",
            "Since the watch of Secrets last said something, bookmarks included.",
            lambda: time.monotonic() - self._watch.heard,
        )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
