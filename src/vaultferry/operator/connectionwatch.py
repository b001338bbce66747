"""The watch of VaultConnections.

Not kopf's: it watches each kind apart, and where one watch ends by a fault while
another is open, it waits for ever for the other to end.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vaultferry.cluster import Cluster
from vaultferry.connections import Connections
from vaultferry.core.answers import Body
from vaultferry.operator.listwatch import WATCH_SECONDS, ListWatch
from vaultferry.operator.scopes import keys_within
from vaultferry.views import Key


@dataclass(kw_only=True)
class ConnectionWatch(ListWatch):
    """Keeps the view of the VaultConnections of a scope current."""

    NAME = "connection watch"

    cluster: Cluster
    connections: Connections
    moved: Callable[[Key], None]
    """Is told the key of a VaultConnection that moved."""

    def pages(self) -> AsyncIterator[tuple[list[Body], str]]:
        """Yield VaultConnections."""
        return self.cluster.list_vaultconnections(self.scope)

    def changes(self, version: str) -> AsyncIterator[tuple[str, Body]]:
        """Yield changes of VaultConnections."""
        return self.cluster.watch_vaultconnections(self.scope, version, WATCH_SECONDS)

    def changed(self, body: Mapping[str, Any]) -> None:
        """Take a VaultConnection."""
        if self.connections.put(body):
            self.moved(Key.of(body))

    def gone(self, key: Key, uid: str, version: int) -> None:
        """Forget a VaultConnection."""
        del version
        self.connections.drop(key, uid)
        self.moved(key)

    def listed(self, keys: set[Key], version: int) -> None:
        """Forget the VaultConnections that a list has no longer."""
        for key in keys_within(self.scope, self.connections.keys()) - keys:
            if kept := self.connections.get(key):
                self.gone(key, kept.uid, version)

    def refused(self) -> None:
        """Have all go on that needs no connection, as after an upgrade of ours."""
        self.complete.set()
