"""What the watches and our own writes have told: VaultSecrets, and their Secrets.

An event that was on its way when we wrote does not undo the answer: of two states
the one with the higher resourceVersion is kept. Those are numbers that only grow.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any, NamedTuple

from vaultferry.core import merge, requests, source
from vaultferry.core.conditions import TYPES
from vaultferry.core.expiry import Expiry
from vaultferry.core.sealing import key_ids
from vaultferry.core.secret import LABEL, Seen
from vaultferry.core.vaultsecret import VaultSecret

Body = Mapping[str, Any]

# Many more than can go while an answer is on its way.
_MOST_ENDS = 10_000


class Key(NamedTuple):
    """Namespace and name of an object; a reference always has both."""

    namespace: str
    name: str

    @classmethod
    def of(cls, body: Body) -> "Key":
        """Return the key of an object."""
        return cls(body["metadata"]["namespace"], body["metadata"]["name"])

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class _Kept:
    uid: str
    version: int
    came: float
    glance: "_Glance"
    text: bytes


class VaultSecrets:
    """The VaultSecrets as last seen, kept as text: 10,000 of them are some 20 MB."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Begin empty, with a clock in seconds."""
        self._clock = clock
        self._kept: dict[Key, _Kept] = {}
        self._by_target: dict[Key, set[Key]] = defaultdict(set)
        self._by_source: dict[Key, set[Key]] = defaultdict(set)
        self._by_connection: dict[Key, set[Key]] = defaultdict(set)
        self._says: Counter[tuple[str, str]] = Counter()
        self.by_key_ids: Counter[tuple[str, ...]] = Counter()
        """How many there are, by the key ids of their tokens."""
        self._expiries: dict[Key, Expiry] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def saying(self, condition: str, status: str) -> int:
        """Return how many VaultSecrets say this of themselves, as last seen."""
        return self._says[condition, status]

    def get(self, key: Key) -> VaultSecret | None:
        """Return a VaultSecret as last seen."""
        kept = self._kept.get(key)
        return VaultSecret.parse(json.loads(kept.text)) if kept else None

    def expiry(self, key: Key) -> Expiry | None:
        """Return when the credential of a VaultSecret expires, where that is known."""
        return self._expiries.get(key)

    def expired_by(self, when: float) -> int:
        """Return how many credentials have expired at a time in seconds since 1970."""
        return sum(expiry.at <= when for expiry in self._expiries.values())

    def targeting(self, secret: Key) -> tuple[Key, ...]:
        """Return the VaultSecrets whose target is this Secret."""
        return tuple(self._by_target.get(secret, ()))

    def using(self, secret: Key) -> tuple[Key, ...]:
        """Return the VaultSecrets that write to this Secret, or read from it."""
        return *self.targeting(secret), *self._by_source.get(secret, ())

    def connected(self, connection: Key) -> tuple[Key, ...]:
        """Return the VaultSecrets that name this VaultConnection, or are kept there."""
        return tuple(self._by_connection.get(connection, ()))

    def store(self, key: Key) -> Key | None:
        """Return the VaultConnection to the store that a VaultSecret names, if any."""
        kept = self._kept.get(key)
        return kept.glance.store if kept else None

    def merged_into(self, key: Key) -> Key | None:
        """Return the Secret that a VaultSecret merges into, if it does."""
        kept = self._kept.get(key)
        return kept.glance.target if kept and kept.glance.merges else None

    def came(self, key: Key) -> float:
        """Return since when a VaultSecret is wanted as it is; -inf: it is not there.

        That is since it came, its spec changed or an annotation asked for something;
        not since somebody had time for it.
        """
        kept = self._kept.get(key)
        return kept.came if kept else -inf

    def put(self, body: Body) -> bool:
        """Take an object from a watch or an answer; False if it is old news."""
        key, metadata = Key.of(body), body["metadata"]
        before = self._kept.get(key)
        version = int(metadata["resourceVersion"])
        if before and before.version >= version:
            return False
        self._forget(key)
        slim = {
            "metadata": {k: v for k, v in metadata.items() if k != "managedFields"},
            "spec": body.get("spec"),
            "status": body.get("status"),
        }
        text = json.dumps(slim, separators=(",", ":")).encode()
        glance = _Glance.of(key, body)
        if before and before.glance.wanted == glance.wanted:
            came = before.came
        else:
            came = self._clock()
        self._kept[key] = _Kept(metadata["uid"], version, came, glance, text)
        self._remember(key, glance)
        return True

    def put_status(self, key: Key, metadata: Body, status: Body) -> None:
        """Take the status that was just written, with the metadata of the answer."""
        if kept := self._kept.get(key):
            body = json.loads(kept.text)
            self.put({"metadata": metadata, "spec": body["spec"], "status": status})

    def keys(self) -> frozenset[Key]:
        """Return the keys of the VaultSecrets in view."""
        return frozenset(self._kept)

    def version(self, key: Key) -> int | None:
        """Return the resourceVersion of a VaultSecret as last seen."""
        kept = self._kept.get(key)
        return kept.version if kept else None

    def drop(self, key: Key, uid: str | None = None) -> tuple[Key, ...]:
        """Forget a VaultSecret that was deleted; return those that it kept waiting.

        They have the same target, and its Secret may consent to become theirs. One that
        merged keeps nobody waiting.

        Args:
            key: its key.
            uid: its uid; another one of its name stays. None: whichever it is.
        """
        kept = self._kept.get(key)
        if not kept or uid not in {None, kept.uid}:
            return ()
        self._forget(key)
        return () if kept.glance.merges else self.targeting(kept.glance.target)

    def _remember(self, key: Key, glance: "_Glance") -> None:
        self._by_target[glance.target].add(key)
        if glance.source:
            self._by_source[glance.source].add(key)
        for connection in glance.connections:
            self._by_connection[connection].add(key)
        self._says.update(glance.says)
        self.by_key_ids[glance.key_ids] += 1
        if glance.expiry:
            self._expiries[key] = glance.expiry

    def _forget(self, key: Key) -> None:
        before = self._kept.pop(key, None)
        if before is None:
            return
        glance = before.glance
        _discard(self._by_target, glance.target, key)
        if glance.source:
            _discard(self._by_source, glance.source, key)
        for connection in glance.connections:
            _discard(self._by_connection, connection, key)
        self._says.subtract(glance.says)
        self.by_key_ids[glance.key_ids] -= 1
        if not self.by_key_ids[glance.key_ids]:
            del self.by_key_ids[glance.key_ids]
        self._expiries.pop(key, None)


class Secrets:
    """The metadata of the Secrets that matter to a VaultSecret.

    A Secret that is not kept is unknown, not absent.
    """

    def __init__(
        self,
        vaultsecrets: VaultSecrets,
        is_token: Callable[[Key], object] = lambda _: False,
    ) -> None:
        """Begin empty.

        Args:
            vaultsecrets: those in view.
            is_token: tells whether a Secret holds the token of a VaultConnection.
        """
        self._vaultsecrets = vaultsecrets
        self._is_token = is_token
        self._kept: dict[Key, Seen] = {}
        self._by_mark: dict[str, set[Key]] = defaultdict(set)
        self._ends: dict[Key, int] = {}
        """When Secrets that matter were deleted, the latest last."""

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Seen | None:
        """Return the metadata of a Secret as last seen."""
        return self._kept.get(key)

    def users(self, key: Key) -> tuple[Key, ...]:
        """Return the VaultSecrets whose target is this Secret."""
        return self._vaultsecrets.targeting(key)

    def recorded(self, key: Key) -> list[Seen]:
        """Return the Secrets that hold a merge record of this VaultSecret."""
        if not self._by_mark:
            return []
        holders = self._by_mark.get(merge.mark(str(key)), ())
        return [self._kept[h] for h in holders if h.namespace == key.namespace]

    def shared(self, key: Key) -> Key | None:
        """Return the Secret of somebody else that a VaultSecret is about to change.

        It merges into that, or has left its keys there.
        """
        if target := self._vaultsecrets.merged_into(key):
            return target
        left = self.recorded(key)
        return Key(left[0].namespace, left[0].name) if left else None

    def recorders(self) -> set[Key]:
        """Return the VaultSecrets, there or not, that Secrets hold merge records of."""
        holders = {holder for kept in self._by_mark.values() for holder in kept}
        return {
            Key(holder.namespace, name)
            for holder in holders
            for name in merge.recorded(self._kept[holder])
        }

    def keys(self) -> frozenset[Key]:
        """Return the keys of the Secrets that are kept."""
        return frozenset(self._kept)

    def put(self, body: Body) -> bool:
        """Take a Secret from a watch or an answer; False if nothing is to be done."""
        seen = Seen.parse(body)
        key = Key(seen.namespace, seen.name)
        before = self._kept.get(key)
        users = self._vaultsecrets.using(key)
        if before and int(before.resource_version) >= int(seen.resource_version):
            # What one of them wrote is still news to the others.
            return len(users) > 1 and before.identity == seen.identity
        if self._ends.get(key, 0) >= int(seen.resource_version):
            return False
        self._forget(key)
        marks = merge.marks(seen)
        if not (users or marks or self._matters(key, seen)):
            return False
        self._kept[key] = seen
        for mark in marks:
            self._by_mark[mark].add(key)
        return True

    def drop(self, key: Key, uid: str, version: int) -> None:
        """Forget a Secret that is gone; another one of its name stays.

        Args:
            key: its key.
            uid: its uid.
            version: the resourceVersion at which it was gone. What was read before,
                and is answered only now, does not bring it back.
        """
        kept = self._kept.get(key)
        if kept and kept.uid == uid:
            self._forget(key)
        if kept or self._vaultsecrets.using(key) or self._is_token(key):
            self._ends.pop(key, None)
            self._ends[key] = version
            if len(self._ends) > _MOST_ENDS:
                del self._ends[next(iter(self._ends))]

    def _matters(self, key: Key, seen: Seen) -> bool:
        is_relevant = LABEL in seen.labels or source.is_relevant(seen)
        return is_relevant or bool(self._is_token(key))

    def _forget(self, key: Key) -> None:
        before = self._kept.pop(key, None)
        for mark in merge.marks(before) if before else ():
            self._by_mark[mark].discard(key)
            if not self._by_mark[mark]:
                del self._by_mark[mark]


@dataclass(frozen=True, slots=True)
class _Glance:
    """What is asked of many VaultSecrets at a time, so that none is parsed for it."""

    wanted: Hashable
    """Another one when somebody wants something else of it, or the same again."""

    target: Key
    source: Key | None
    store: Key | None
    connections: frozenset[Key]
    """To the values, to the store, and to where they are kept by now."""

    merges: bool
    says: tuple[tuple[str, str], ...]
    """The conditions, each with its status."""

    key_ids: tuple[str, ...]
    expiry: Expiry | None

    @classmethod
    def of(cls, key: Key, body: Body) -> "_Glance":
        spec, status = body.get("spec") or {}, body.get("status") or {}
        target = (spec.get("target") or {}).get("name") or key.name
        read = (spec.get("secretRef") or {}).get("name")
        way, store = spec.get("connectionRef") or {}, spec.get("storeRef") or {}
        ways = (way, store, status.get("stored") or {})
        told = {c["type"]: c["status"] for c in status.get("conditions") or []}
        metadata = body["metadata"]
        asked = requests.asked(metadata.get("annotations") or {})
        return cls(
            wanted=(metadata["uid"], metadata.get("generation"), *asked),
            target=Key(key.namespace, str(target)),
            source=Key(key.namespace, str(read)) if read else None,
            store=_connection(key, store),
            connections=frozenset(filter(None, (_connection(key, w) for w in ways))),
            merges=merge.merges(spec),
            says=tuple((kind, told[kind]) for kind in TYPES if kind in told),
            key_ids=key_ids(spec.get("sealed")),
            expiry=Expiry.of_status(status),
        )


def _connection(key: Key, reference: Body) -> Key | None:
    """Return the key of the connection that a reference names, if any."""
    name, namespace = reference.get("name"), reference.get("namespace")
    return Key(str(namespace or key.namespace), str(name)) if name else None


def _discard(index: dict[Key, set[Key]], of: Key, key: Key) -> None:
    """Take a key out of an index, and what it was found by where that was all."""
    index[of].discard(key)
    if not index[of]:
        del index[of]
