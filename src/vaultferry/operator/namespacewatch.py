"""The watch of namespaces: their labels, where a connection selects by them."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vaultferry.cluster import Cluster
from vaultferry.connections import Namespaces
from vaultferry.core.answers import Body
from vaultferry.operator.listwatch import WATCH_SECONDS, ListWatch
from vaultferry.views import Key

_REFUSED = (
    "spec.access.namespaceSelector needs the labels of namespaces, which the operator "
    "has no right to list and watch: see deploy/base/rbac.yaml"
)


@dataclass(kw_only=True)
class NamespaceWatch(ListWatch):
    """Keeps the view of the labels of namespaces current."""

    NAME = "namespace watch"

    cluster: Cluster
    namespaces: Namespaces
    moved: Callable[[str], None]
    """Is told the name of a namespace whose labels are others now."""

    judged: Callable[[], None]
    """Is told where it is another thing now whether labels can be seen."""

    def pages(self) -> AsyncIterator[tuple[list[Body], str]]:
        """Yield the metadata of namespaces."""
        return self.cluster.list_namespaces()

    def changes(self, version: str) -> AsyncIterator[tuple[str, Body]]:
        """Yield changes of the metadata of namespaces."""
        return self.cluster.watch_namespaces(version, WATCH_SECONDS)

    def key(self, body: Mapping[str, Any]) -> Key:
        """Return the key of a namespace, which is in none."""
        return Key("", body["metadata"]["name"])

    def changed(self, body: Mapping[str, Any]) -> None:
        """Take a namespace."""
        name, labels = body["metadata"]["name"], body["metadata"].get("labels")
        if self.namespaces.put(name, labels or {}):
            self.moved(name)

    def gone(self, key: Key, uid: str, version: int) -> None:
        """Forget a namespace."""
        del uid, version
        self.namespaces.drop(key.name)
        self.moved(key.name)

    def listed(self, keys: set[Key], version: int) -> None:
        """Forget the namespaces that a list has no longer."""
        for name in self.namespaces.names() - {key.name for key in keys}:
            self.gone(Key("", name), "", version)
        self._judge("")

    def refused(self) -> None:
        """Have connections that select say that they cannot."""
        self._judge(_REFUSED)
        self.complete.set()

    def _judge(self, refusal: str) -> None:
        before, self.namespaces.refusal = self.namespaces.refusal, refusal
        if before != refusal:
            self.judged()
