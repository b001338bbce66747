"""Works on connections and places: what is fetched from vaults, and when.

It has workers of its own, so that a vault which keeps its callers waiting holds up no
other vault, and no VaultSecret.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from operator import attrgetter
from time import monotonic, time
from typing import NamedTuple, TypeVar

import structlog

from vaultferry.cluster import Cluster
from vaultferry.connecting import Connector
from vaultferry.connections import Connections
from vaultferry.core.answers import Absent, Stale
from vaultferry.core.errors import Failure
from vaultferry.core.urgency import Lane
from vaultferry.operator import clock, push
from vaultferry.operator.connectionwatch import ConnectionWatch
from vaultferry.operator.metrics import Metrics
from vaultferry.operator.namespacewatch import NamespaceWatch
from vaultferry.operator.queue import WorkQueue, serve
from vaultferry.operator.settings import Settings
from vaultferry.operator.streams import Streams
from vaultferry.outbound import Outbound
from vaultferry.places import Around, PlaceKey, Places
from vaultferry.pushing import Signers
from vaultferry.views import Key, Secrets, VaultSecrets

log = structlog.get_logger()

_WORKERS = 32
# Of one connection: many places of a vault are fetched side by side, but not at the
# cost of others.
_AT_A_TIME = 4
_RETRY_SECONDS = 5.0
_POISON_SECONDS = 60.0

_CANNOT_SELECT = (
    "spec.access.namespaceSelector needs the labels of namespaces, which an operator "
    "for some namespaces does not see: name them in spec.access.namespaces"
)

K = TypeVar("K", bound=Hashable)


class Views(NamedTuple):
    """What is in view."""

    connections: Connections
    vaultsecrets: VaultSecrets
    secrets: Secrets


class Fetching:
    """The connections in view, their places, and the workers for both."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        views: Views,
        wake: Callable[[Key, Lane], None],
        metrics: Metrics,
    ) -> None:
        self._cluster = cluster
        self._scoped = bool(settings.namespaces)
        self._views = views
        self._wake = wake
        self._outbound = Outbound(settings.exceptions, settings.proxy)
        self._watches = {
            scope: ConnectionWatch(
                cluster=cluster,
                scope=scope,
                connections=views.connections,
                moved=self._seen,
                restarted=partial(metrics.restarted, "vaultconnections"),
                clock=monotonic,
            )
            for scope in settings.scopes
        }
        self._selects = asyncio.Event()
        if settings.namespaces:
            views.connections.namespaces.refusal = _CANNOT_SELECT
        self._namespaces = NamespaceWatch(
            cluster=cluster,
            scope=None,
            namespaces=views.connections.namespaces,
            moved=self._relabelled,
            judged=self._judged,
            restarted=partial(metrics.restarted, "namespaces"),
            clock=monotonic,
        )
        self._due = line(self._namespace)
        self._moved: WorkQueue[Key] = WorkQueue(
            monotonic, attrgetter("namespace"), unmeasured
        )
        self._news: WorkQueue[Key] = WorkQueue(
            monotonic, attrgetter("namespace"), unmeasured
        )
        around = Around(monotonic, time, metrics.fetched, self._used, settings.room)
        self.places = Places(self._due.add, wake, self._told, around)
        self.streams = Streams(
            self.places, self._pushed, metrics.stream_ended, monotonic, random.random
        )
        self._push_port = settings.push_port
        signers = Signers(is_served=settings.push_port is not None)
        self._webhooks = push.Webhooks(signers.verify, self._pushed, metrics.pushed)
        self._connect = Connector(
            cluster,
            views.connections,
            views.secrets,
            self.places,
            self._outbound,
            self._wake_users,
            monotonic,
            clock.now,
            signers,
            settings.ambient,
            os.environ,
        )

    def look_at(self, connection: Key) -> None:
        """Have a connection looked after."""
        self._moved.add(connection, Lane.URGENT)

    def is_known(self, namespace: str) -> bool:
        """Tell whether a connection of a namespace that is not in view is not there."""
        watch = self._watches.get(namespace) or self._watches.get(None)
        return watch is None or watch.complete.is_set()

    async def known(self, scope: str | None) -> None:
        """Wait until a connection not in view is known not to be there."""
        await self._watches[scope].complete.wait()
        if self._selects.is_set():
            await self._namespaces.complete.wait()

    async def run(self) -> None:
        """Watch and work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for watch in self._watches.values():
                    group.create_task(watch.run())
                group.create_task(self._select())
                for _ in range(_WORKERS):
                    group.create_task(work(self._due, self.places))
                for _ in range(_AT_A_TIME):
                    group.create_task(work(self._moved, self._connect))
                group.create_task(work(self._news, self._refresh))
                group.create_task(self.streams.run())
                group.create_task(push.take(self._push_port, self._webhooks))
        finally:
            await self._outbound.close()

    def _namespace(self, place: PlaceKey) -> str:
        return self.places.namespace(place)

    def _pushed(self, connection: Key) -> None:
        self._news.add(connection, Lane.URGENT)

    async def _refresh(self, connection: Key) -> float:
        return self.places.refresh(connection)

    def _used(self, connection: Key) -> None:
        self.streams.look_at(connection)

    def _told(self, connection: Key) -> None:
        """Have a connection looked after, and those that it keeps something of."""
        self.look_at(connection)
        for key in self._views.vaultsecrets.connected(connection):
            if self._views.vaultsecrets.store(key):
                self._wake(key, Lane.ROUTINE)

    async def _select(self) -> None:
        """Watch namespaces, once there is a connection that selects by labels."""
        await self._selects.wait()
        await self._namespaces.run()

    def _seen(self, connection: Key) -> None:
        if self._views.connections.selecting() and not self._scoped:
            self._selects.set()
        self.look_at(connection)
        self._wake_users(connection)

    def _relabelled(self, namespace: str) -> None:
        for connection in self._views.connections.selecting():
            for key in self._views.vaultsecrets.connected(connection):
                if key.namespace == namespace:
                    self._wake(key, Lane.ROUTINE)

    def _judged(self) -> None:
        for connection in self._views.connections.selecting():
            self.look_at(connection)
            self._wake_users(connection)

    def _wake_users(self, connection: Key) -> None:
        for key in self._views.vaultsecrets.connected(connection):
            self._wake(key, Lane.ROUTINE)


def line(
    namespace: Callable[[PlaceKey], str], clock: Callable[[], float] = monotonic
) -> WorkQueue[PlaceKey]:
    """Return a queue of places, in which nobody waits for what others have much of.

    Those who own connections take turns, and so do those who use the same one.

    Args:
        namespace: returns for whom a place is fetched.
        clock: in seconds.
    """
    owner = attrgetter("connection.namespace")
    return WorkQueue(clock, owner, unmeasured, _turn, namespace)


async def work(queue: WorkQueue[K], handle: Callable[[K], Awaitable[float]]) -> None:
    """Handle the keys of a queue until that is closed."""

    async def once(key: K) -> tuple[float, Lane]:
        return await _once(key, handle), Lane.ROUTINE

    await serve(queue, once)


async def _once(key: K, handle: Callable[[K], Awaitable[float]]) -> float:
    """Handle a key; return the seconds until it is due again. A bad one stops none."""
    try:
        return await handle(key)
    except Absent:
        return float("inf")
    except (Failure, Stale) as error:
        reason = type(error).__name__
        log.warning("connection not looked after", key=str(key), reason=reason)
        return _RETRY_SECONDS
    except Exception:
        log.exception("fetching broke", key=str(key))
        return _POISON_SECONDS


def _turn(key: PlaceKey) -> Hashable:
    return key.connection, hash(key.place) % _AT_A_TIME


def unmeasured(_lane: Lane, _seconds: float) -> None:
    """Keep no measure of how long a key took."""
