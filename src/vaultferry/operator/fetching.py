"""Works on connections and places: what is fetched from vaults, and when.

It has workers of its own, so that a vault which keeps its callers waiting holds up no
other vault, and no VaultSecret.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from operator import attrgetter
from time import monotonic, time
from typing import Any, NamedTuple, TypeVar

import structlog

from vaultferry.cluster import Cluster
from vaultferry.connecting import Connector
from vaultferry.connections import Connections
from vaultferry.core.answers import Absent, Expired, Stale
from vaultferry.core.errors import ApiForbidden, Failure
from vaultferry.core.urgency import Lane
from vaultferry.operator import clock
from vaultferry.operator.queue import Closed, WorkQueue
from vaultferry.operator.settings import Settings
from vaultferry.outbound import Outbound
from vaultferry.places import Around, PlaceKey, Places
from vaultferry.views import Key, Secrets, VaultSecrets

log = structlog.get_logger()

_WORKERS = 32
# Of one connection: many places of a vault are fetched side by side, but not at the
# cost of others.
_AT_A_TIME = 4
_RETRY_SECONDS = 5.0
_POISON_SECONDS = 60.0

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
        count: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._scopes = settings.scopes
        self._views = views
        self._wake = wake
        self._outbound = Outbound(settings.exceptions, settings.proxy)
        self.complete = asyncio.Event()
        """Set once a VaultConnection that is not in view is known not to be there."""

        self._due: WorkQueue[PlaceKey] = WorkQueue(
            monotonic, lambda place: place.connection.namespace, _unmeasured, _turn
        )
        self._moved: WorkQueue[Key] = WorkQueue(
            monotonic, attrgetter("namespace"), _unmeasured
        )
        around = Around(monotonic, time, count)
        self.places = Places(self._due.add, wake, self.look_at, around)
        self._connect = Connector(
            cluster,
            views.connections,
            views.secrets,
            self.places,
            self._outbound,
            self._wake_users,
            monotonic,
            clock.now,
        )

    def look_at(self, connection: Key) -> None:
        """Have a connection looked after."""
        self._moved.add(connection, Lane.URGENT)

    def seen(self, kind: str | None, body: Mapping[str, Any]) -> None:
        """Take a VaultConnection from a watch event, or from a list."""
        key = Key.of(body)
        if kind == "DELETED":
            self._views.connections.drop(key, body["metadata"]["uid"])
        elif not self._views.connections.put(body):
            return
        self.look_at(key)
        self._wake_users(key)

    async def run(self) -> None:
        """List the connections, then work until cancelled."""
        try:
            for scope in self._scopes:
                await self._list(scope)
            self.complete.set()
            async with asyncio.TaskGroup() as group:
                for _ in range(_WORKERS):
                    group.create_task(_work(self._due, self.places))
                for _ in range(_AT_A_TIME):
                    group.create_task(_work(self._moved, self._connect))
        finally:
            await self._outbound.close()

    async def _list(self, scope: str | None) -> None:
        """List the connections: kopf does not tell when its own list is complete."""
        pages = self._cluster.list_vaultconnections(scope)
        try:
            async for page, _ in pages:
                for body in page:
                    self.seen(None, body)
        except Absent:
            # Their kind is not served: a cluster may do without external vaults.
            return
        except (Expired, Failure, Stale) as error:
            reason = type(error).__name__
            log.warning("VaultConnections not listed", within=scope, reason=reason)
            if isinstance(error, ApiForbidden):
                # After an upgrade without the new rights all else is to go on.
                self.complete.set()
            await asyncio.sleep(_RETRY_SECONDS)
            await self._list(scope)

    def _wake_users(self, connection: Key) -> None:
        for key in self._views.vaultsecrets.connected(connection):
            self._wake(key, Lane.ROUTINE)


async def _work(queue: WorkQueue[K], handle: Callable[[K], Awaitable[float]]) -> None:
    while True:
        try:
            key = await queue.get()
        except Closed:
            return
        queue.done(key, await _once(key, handle))


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


def _unmeasured(_lane: Lane, _seconds: float) -> None:
    """Keep no measure of how long a key took."""
