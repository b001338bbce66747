"""Wires one operator process together and runs it until it is told to stop."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from vaultferry.apiserver.server import ApiServer
from vaultferry.cluster import Cluster
from vaultferry.operator import clock, gauges, health, lag
from vaultferry.operator.lease import Lease, LeaseLost, new_identity
from vaultferry.operator.metrics import Metrics
from vaultferry.operator.scopes import named
from vaultferry.operator.settings import Settings
from vaultferry.operator.stopping import handle_signals
from vaultferry.operator.term import Term

log = structlog.get_logger()

_SILENCE_SECONDS = 600.0


class Operator:
    """One operator process: it serves health and metrics, and leads in its turn."""

    def __init__(self, settings: Settings, server: ApiServer) -> None:
        self._settings = settings
        self._server = server
        self.metrics = Metrics()
        self._cluster = Cluster(
            server,
            self.metrics.called,
            lambda: self.is_leading,
            settings.connections,
        )
        self._lease = Lease(
            self._cluster,
            settings.lease_namespace,
            new_identity(),
            clock.seconds,
            random.random,
            self.metrics.lease_failed,
        )
        self._term: Term | None = None
        """The present leadership; None while this replica waits."""

        self.metrics.gauge(
            "leading",
            "1 where this replica holds the lease and reconciles, 0 where it waits.",
            lambda: self.is_leading,
        )
        gauges.add(self.metrics, settings.keyring, lambda: self._term)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve, and reconcile while the lease is ours, until told to stop.

        Args:
            stop: tells it; SIGTERM and SIGINT set it.
        """
        handle_signals(stop)
        try:
            async with self._serving() as port, lag.sampled(self.metrics.lagged):
                log.info("started", port=port, keys=self._settings.keyring.key_ids)
                while await self._lease.acquire(stop):
                    await self._lead(stop)
        finally:
            await self._cluster.close()

    @property
    def is_leading(self) -> bool:
        """Whether this replica, of all, may reconcile."""
        return self._lease.is_held

    async def _lead(self, stop: asyncio.Event) -> None:
        """Reconcile until told to stop, and only then let go, or until it is lost."""
        self._term = Term(
            self._settings, self._server, self._cluster, self.metrics, stop
        )
        self.metrics.lease_acquired()
        try:
            async with self._lease.kept(), self._term.running():
                await stop.wait()
                log.info("stopping")
        except LeaseLost as lost:
            log.warning("lease lost", reason=str(lost))
            self.metrics.lease_lost()
        finally:
            self._term = None

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[int]:
        live = {"secret watch": lambda: self._silence() < _SILENCE_SECONDS}
        ready: dict[str, health.Check] = {
            "lease": lambda: self._lease.is_known,
        }
        for scope in self._settings.scopes:
            ready |= self._ready(scope)
        port = self._settings.port
        async with health.serving(port, self.metrics, live, ready) as served:
            yield served

    def _ready(self, scope: str | None) -> health.Checks:
        """Return what has to be right in a scope."""
        return {
            named("list of Secrets", scope): self._if_leading(
                lambda term: term.secret_watches[scope].complete.is_set()
            ),
            named("watch of Secrets", scope): self._if_leading(
                lambda term: not term.secret_watches[scope].is_refused
            ),
            named("watch of VaultSecrets", scope): self._if_leading(
                lambda term: scope in term.vaultsecret_watch.open
            ),
        }

    def _if_leading(self, check: Callable[[Term], bool]) -> Callable[[], bool]:
        """Ask a replica that waits for no more: a rollout waits until it is ready."""
        return lambda: not self.is_leading or not self._term or check(self._term)

    def _silence(self) -> float:
        return 0.0 if self._term is None else self._term.silence()
