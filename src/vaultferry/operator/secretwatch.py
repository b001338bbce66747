"""Our own watch of Secrets, which asks for their metadata only: kopf cannot."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vaultferry.cluster import Cluster
from vaultferry.core.answers import Body
from vaultferry.core.urgency import Lane
from vaultferry.operator.listwatch import WATCH_SECONDS, ListWatch
from vaultferry.operator.scopes import keys_within
from vaultferry.views import Key, Secrets


@dataclass(kw_only=True)
class SecretWatch(ListWatch):
    """Keeps the view of the Secrets of a scope current, and tells which moved."""

    NAME = "secret watch"

    cluster: Cluster
    secrets: Secrets
    moved: Callable[[Key, Lane], None]
    """Is told the key of a Secret that moved."""

    def pages(self) -> AsyncIterator[tuple[list[Body], str]]:
        """Yield the metadata of Secrets."""
        return self.cluster.list_secrets(self.scope)

    def changes(self, version: str) -> AsyncIterator[tuple[str, Body]]:
        """Yield changes of the metadata of Secrets."""
        return self.cluster.watch_secrets(self.scope, version, WATCH_SECONDS)

    def changed(self, body: Mapping[str, Any]) -> None:
        """Take the metadata of a Secret."""
        if self.secrets.put(body):
            self._tell(Key.of(body))

    def gone(self, key: Key, uid: str, version: int) -> None:
        """Forget a Secret."""
        self.secrets.drop(key, uid, version)
        self._tell(key)

    def listed(self, keys: set[Key], version: int) -> None:
        """Forget the Secrets that a list has no longer, unless we made them since."""
        for key in keys_within(self.scope, self.secrets.keys()) - keys:
            seen = self.secrets.get(key)
            if seen and int(seen.resource_version) <= version:
                self.gone(key, seen.uid, version)

    def refused(self) -> None:
        """Wait: nothing is decided before a list is complete."""

    def _tell(self, key: Key) -> None:
        # What the first list finds is most likely as it was left.
        self.moved(key, Lane.URGENT if self.complete.is_set() else Lane.LAST)
