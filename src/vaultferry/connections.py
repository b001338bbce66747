"""The VaultConnections as last seen, and what they turned out to be."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from vaultferry import providers
from vaultferry.core import access
from vaultferry.core.errors import InvalidSpec, VaultFailure
from vaultferry.core.model import Model
from vaultferry.core.vaultconnection import VaultConnection
from vaultferry.providers import Module
from vaultferry.views import Key


class Namespaces:
    """The labels of namespaces, as far as connections select by them."""

    def __init__(self) -> None:
        self._labels: dict[str, Mapping[str, str]] = {}
        self.refusal = ""
        """Why they cannot be seen, if they cannot."""

    def labels(self, name: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace; None: they are not known."""
        return None if self.refusal else self._labels.get(name)

    def names(self) -> frozenset[str]:
        """Return the names of the namespaces in view."""
        return frozenset(self._labels)

    def put(self, name: str, labels: Mapping[str, str]) -> bool:
        """Take the labels of a namespace; False if they are no others."""
        before, self._labels[name] = self._labels.get(name), labels
        return before != labels

    def drop(self, name: str) -> None:
        """Forget a namespace."""
        self._labels.pop(name, None)


class Connections:
    """The VaultConnections in view: few, so they are kept whole."""

    def __init__(self) -> None:
        self.namespaces = Namespaces()
        self._kept: dict[Key, VaultConnection] = {}
        self._sections: dict[Key, tuple[Module, Model]] = {}
        self._unusable: dict[Key, VaultFailure] = {}
        self._by_token: dict[Key, set[Key]] = defaultdict(set)
        self._by_signing: dict[Key, set[Key]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> VaultConnection | None:
        """Return a VaultConnection as last seen."""
        return self._kept.get(key)

    def section(self, key: Key) -> tuple[Module, Model]:
        """Return the provider of a VaultConnection in view, and its settings.

        They are read once, and not by each who uses the connection.

        Raises:
            InvalidSpec: this version does not understand them.
        """
        if key not in self._sections:
            self._sections[key] = providers.of(self._kept[key].raw_spec)
        return self._sections[key]

    def lets(self, key: Key, namespace: str) -> bool | None:
        """Tell whether there is a connection that VaultSecrets of a namespace may use.

        None: that is not known yet. One that this version does not understand is for
        its own namespace.
        """
        kept, labels = self._kept.get(key), self.namespaces.labels(namespace)
        if kept is None:
            return False
        try:
            lets = access.lets(kept, namespace, labels)
        except InvalidSpec:
            return False
        # Where no label will ever be known, that is the answer.
        return False if lets is None and self.namespaces.refusal else lets

    def selecting(self) -> tuple[Key, ...]:
        """Return the connections that select namespaces by their labels."""
        return tuple(key for key, each in self._kept.items() if _selects(each))

    def keys(self) -> frozenset[Key]:
        """Return the keys of the VaultConnections in view."""
        return frozenset(self._kept)

    def put(self, body: Mapping[str, Any]) -> bool:
        """Take an object from a watch or an answer; False if it is old news."""
        key, new = Key.of(body), VaultConnection.parse(body)
        before = self._kept.get(key)
        if before and int(before.resource_version) >= int(new.resource_version):
            return False
        self._kept[key] = new
        self._sections.pop(key, None)
        return True

    def drop(self, key: Key, uid: str) -> None:
        """Forget a VaultConnection that is gone; another one of its name stays."""
        kept = self._kept.get(key)
        if kept and kept.uid == uid:
            del self._kept[key]
            self._sections.pop(key, None)

    def opening(self, secret: Key) -> tuple[Key, ...]:
        """Return the connections that take a token, or what signs, from a Secret."""
        indexes = self._by_token, self._by_signing
        return tuple({key for index in indexes for key in index.get(secret, ())})

    def takes_token(self, key: Key, token: Key | None) -> None:
        """Say in which Secret the token of a connection is; None: in none."""
        _move(self._by_token, key, token)

    def is_signed_by(self, key: Key, secret: Key | None) -> None:
        """Say in which Secret is what signs the webhooks of a connection, if any."""
        _move(self._by_signing, key, secret)

    def unusable(self, key: Key) -> VaultFailure | None:
        """Return why a connection cannot be used at all, if it cannot."""
        return self._unusable.get(key)

    def judge(self, key: Key, failure: VaultFailure | None) -> None:
        """Say why a connection cannot be used at all; None: it can, or is gone."""
        if failure:
            self._unusable[key] = failure
        else:
            self._unusable.pop(key, None)


def _move(index: dict[Key, set[Key]], key: Key, secret: Key | None) -> None:
    """Have a key found by a Secret, and by no other."""
    for each, keys in list(index.items()):
        keys.discard(key)
        if not keys:
            del index[each]
    if secret:
        index[secret].add(key)


def _selects(connection: VaultConnection) -> bool:
    """Tell whether it selects by labels, also where the rest is not understood."""
    may = connection.raw_spec.get("access")
    return isinstance(may, Mapping) and may.get("namespaceSelector") is not None
