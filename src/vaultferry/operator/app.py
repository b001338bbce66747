"""Wires one operator process together and runs it until it is told to stop."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import product

import structlog
from kubernetes.aio.client import Configuration

from vaultferry.cluster import Cluster
from vaultferry.core.conditions import TYPES
from vaultferry.core.urgency import Lane
from vaultferry.operator import clock, health, lag
from vaultferry.operator.lease import Lease, LeaseLost, new_identity
from vaultferry.operator.metrics import Metrics
from vaultferry.operator.scopes import named
from vaultferry.operator.settings import Settings
from vaultferry.operator.stopping import handle_signals
from vaultferry.operator.term import Term

log = structlog.get_logger()

_SILENCE_SECONDS = 600.0

_DAY_SECONDS = 24 * 3600.0
_EXPIRING = {"expired": 0, "1d": 1, "7d": 7, "30d": 30}


class Operator:
    """One operator process: it serves health and metrics, and leads in its turn."""

    def __init__(self, settings: Settings, configuration: Configuration) -> None:
        configuration.connection_pool_maxsize = settings.connections
        self._settings = settings
        self._configuration = configuration
        self.metrics = Metrics()
        self._cluster = Cluster(
            configuration, self.metrics.called, lambda: self.is_leading
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

        self._add_gauges()

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
            self._settings, self._configuration, self._cluster, self.metrics, stop
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
        return self._of_term(Term.silence)

    def _of_term(self, read: Callable[[Term], float]) -> float:
        """Read something of the present term; 0 while this replica waits."""
        return 0.0 if self._term is None else read(self._term)

    def _add_gauges(self) -> None:
        self._add_lane_gauge(
            "queue_depth",
            "Keys that wait to be worked on.",
            lambda lane, term: term.queue.depth(lane),
        )
        self._add_lane_gauge(
            "queue_oldest_seconds",
            "How long the key that waits longest has waited in its lane.",
            lambda lane, term: term.queue.age(lane),
        )
        self.metrics.gauge(
            "leading",
            "1 where this replica holds the lease and reconciles, 0 where it waits.",
            lambda: self.is_leading,
        )
        self._add_gauge(
            "vaultsecrets", "VaultSecrets in view.", lambda term: len(term.vaultsecrets)
        )
        self._add_condition_gauge()
        self._add_key_gauge()
        self._add_gauge("secrets", "Secrets in view.", lambda term: len(term.secrets))
        self._add_gauge(
            "workers_busy", "Keys that are worked on.", lambda term: term.queue.busy
        )
        self._add_gauge(
            "queue_delayed",
            "Keys that are due later: retries, and what is looked at again.",
            lambda term: term.queue.delayed,
        )
        self._add_gauge(
            "failing",
            "VaultSecrets that failed when they were last attempted.",
            lambda term: term.reconcile.failing,
        )
        self._add_expiring_gauge()
        self._add_gauge(
            "secret_watch_silence_seconds",
            "Since the watch of Secrets last said something, bookmarks included.",
            Term.silence,
        )

    def _add_gauge(self, name: str, text: str, read: Callable[[Term], float]) -> None:
        self.metrics.gauge(name, text, partial(self._of_term, read))

    def _add_expiring_gauge(self) -> None:
        def count(seconds: float, term: Term) -> float:
            return term.vaultsecrets.expired_by(time.time() + seconds)

        reads: dict[tuple[str, ...], Callable[[], float]] = {
            (within,): partial(self._of_term, partial(count, days * _DAY_SECONDS))
            for within, days in _EXPIRING.items()
        }
        self.metrics.gauges(
            "expiring",
            "VaultSecrets whose credential expires within that time, or has expired.",
            ["within"],
            reads,
        )

    def _add_lane_gauge(
        self, name: str, text: str, read: Callable[[Lane, Term], float]
    ) -> None:
        reads: dict[tuple[str, ...], Callable[[], float]] = {
            (lane.name.lower(),): partial(self._of_term, partial(read, lane))
            for lane in Lane
        }
        self.metrics.gauges(name, text, ["lane"], reads)

    def _add_condition_gauge(self) -> None:
        def read(condition: str, status: str, term: Term) -> float:
            return term.vaultsecrets.saying(condition, status)

        self.metrics.gauges(
            "vaultsecrets_condition",
            "VaultSecrets in view that have a condition, by what it says.",
            ["condition", "status"],
            {
                says: partial(self._of_term, partial(read, *says))
                for says in product(TYPES, ("True", "False"))
            },
        )

    def _add_key_gauge(self) -> None:
        reads: dict[tuple[str, ...], Callable[[], float]] = {
            (name, age): partial(self._of_term, partial(Term.sealed_for, name=name))
            for name, age in self._settings.keyring.ages.items()
        }
        self.metrics.gauges(
            "sealed_vaultsecrets",
            "VaultSecrets by the oldest key that their values are sealed for.",
            ["key_id", "age"],
            reads,
        )
