"""One leadership: everything that lives only as long as the Lease is held.

It is made anew each time, so what an earlier one saw, remembered or was about to do
is gone with it.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter

import structlog
from kubernetes.aio.client import Configuration

from vaultferry.cluster import Cluster
from vaultferry.core.urgency import Lane
from vaultferry.operator import watching
from vaultferry.operator.gate import Gate
from vaultferry.operator.leftovers import Leftovers
from vaultferry.operator.metrics import Metrics
from vaultferry.operator.publickeys import PublicKeys
from vaultferry.operator.queue import Closed, WorkQueue
from vaultferry.operator.recorder import Recorder
from vaultferry.operator.relist import Relist
from vaultferry.operator.secretwatch import SecretWatch
from vaultferry.operator.settings import Settings
from vaultferry.operator.stopping import insist
from vaultferry.operator.vaultsecretwatch import VaultSecretWatch
from vaultferry.reconcile import Reconciler, Result, Surroundings
from vaultferry.views import Key, Secrets, VaultSecrets

log = structlog.get_logger()

_DRAIN_SECONDS = 10.0
_POISON_SECONDS = 60.0


class Term:
    """The views, the queue and what works on them, during one leadership."""

    def __init__(
        self,
        settings: Settings,
        configuration: Configuration,
        cluster: Cluster,
        metrics: Metrics,
        stop: asyncio.Event,
    ) -> None:
        clock = time.monotonic
        self._settings = settings
        self._metrics = metrics
        self.vaultsecrets = VaultSecrets()
        self.secrets = Secrets(self.vaultsecrets)
        self.queue: WorkQueue[Key] = WorkQueue(
            clock, attrgetter("namespace"), metrics.served, self.secrets.shared
        )
        self._gate = Gate(settings.scopes, self.queue.add)
        wake = self._gate.add
        handlers = partial(watching.registry, configuration, self.vaultsecrets, wake)
        self.vaultsecret_watch = VaultSecretWatch(
            cluster,
            handlers,
            settings.scopes,
            partial(metrics.restarted, "vaultsecrets"),
            stop,
        )
        self.secret_watches = {
            scope: SecretWatch(
                cluster,
                scope,
                self.secrets,
                self._moved,
                partial(metrics.restarted, "secrets"),
                clock,
            )
            for scope in settings.scopes
        }
        self._recorder = Recorder(cluster, clock, metrics.event_lost)
        self._relist = Relist(
            cluster, settings.scopes, self.vaultsecrets, wake, metrics.missed
        )
        self._public_keys = PublicKeys(
            cluster, settings.lease_namespace, settings.keyring
        )
        self._leftovers = Leftovers(cluster, self.vaultsecrets, self.secrets, wake)
        around = Surroundings(
            now=_now,
            clock=clock,
            chance=random.random,
            post=self._recorder.post,
            repaired=metrics.repaired,
            prefixes=settings.prefixes,
        )
        self.reconcile = Reconciler(
            cluster, self.vaultsecrets, self.secrets, settings.keyring, around
        )

    def silence(self) -> float:
        """Return the seconds since the most silent watch of Secrets said something."""
        watches = self.secret_watches.values()
        return time.monotonic() - min(watch.heard for watch in watches)

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
            ]
            workers = [
                group.create_task(self._work()) for _ in range(self._settings.workers)
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

    async def _open(self, scope: str | None) -> None:
        await self.secret_watches[scope].complete.wait()
        self._gate.open(scope)
        await self._leftovers.run(scope)

    async def _work(self) -> None:
        while True:
            try:
                key = await self.queue.get()
            except Closed:
                return
            result = await self._once(key)
            self.queue.done(key, result.again, result.lane)

    async def _once(self, key: Key) -> Result:
        """Reconcile a key. One bad object stops none."""
        began = time.monotonic()
        try:
            result = await self.reconcile(key)
        except Exception:
            log.exception("reconcile broke", namespace=key.namespace, name=key.name)
            self._metrics.reconciled("Unexpected", time.monotonic() - began)
            return Result("Unexpected", _POISON_SECONDS)
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
        return result


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
