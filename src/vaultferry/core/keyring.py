"""The root keys of a cluster: what opens, seals at rest and fingerprints."""

import hmac
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

from vaultferry.core.encoding import pack
from vaultferry.core.errors import (
    PublicKeyInvalid,
    RootKeyInvalid,
    TokenNotOpened,
    UnknownKeyId,
)
from vaultferry.core.rootkey import RootKey
from vaultferry.core.sealing import MAX_EPOCH, Header, Place, PublicKey, Scope, Token
from vaultferry.core.suites import WITH_PUBLIC_KEY, Suite

UNKNOWN = "unknown"
OTHER_EPOCH = "other"

_FINGERPRINT = re.compile(r"([0-9a-f]{8})-[1-9][0-9]{0,5}\.[0-9a-f]{32}")
_FINGERPRINT_DIGITS = 32


class Keyring:
    """Root keys, newest first, and the epoch that sealing uses."""

    def __init__(self, roots: Sequence[RootKey], epoch: int) -> None:
        self._newest = roots[0]
        self._roots = {root.kid: root for root in roots}
        self.epoch = epoch

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self.key_ids)})"

    @classmethod
    def parse(cls, texts: Sequence[str], epoch: int = 1) -> Self:
        """Read Fernet keys, newest first; refuse what is malformed or guessable."""
        if not texts:
            raise RootKeyInvalid("no root key; `vaultferry keygen` makes one")
        if not 1 <= epoch <= MAX_EPOCH:
            raise RootKeyInvalid(f"epoch {epoch}: 1 to {MAX_EPOCH} wanted")
        roots: dict[str, RootKey] = {}
        for number, text in enumerate(texts, start=1):
            which = f"root key {number} of {len(texts)}"
            root = RootKey.parse(text, which)
            if root.kid in roots:
                raise RootKeyInvalid(f"{which}: given twice; leave one out")
            roots[root.kid] = root
        return cls(tuple(roots.values()), epoch)

    @property
    def key_id(self) -> str:
        """The key id that sealing uses: of the newest root key, in this epoch."""
        return self.key_ids[0]

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The key ids of this epoch, newest first; other epochs open as well."""
        return tuple(f"{kid}-{self.epoch}" for kid in self._roots)

    @property
    def ages(self) -> Mapping[str, str]:
        """What `named` may answer, each with its age: `newest`, `older`, `unknown`.

        Who writes a token chooses its key id, so other epochs have one name for all.
        """
        others = (f"{kid}-{OTHER_EPOCH}" for kid in self._roots)
        older = dict.fromkeys([*self.key_ids, *others], "older")
        return {**older, self.key_id: "newest", UNKNOWN: UNKNOWN}

    def named(self, key_id: str) -> str:
        """Return what to call a key of which there may be any number."""
        if key_id in self.key_ids:
            return key_id
        kid, _, _ = key_id.partition("-")
        return f"{kid}-{OTHER_EPOCH}" if kid in self._roots else UNKNOWN

    def oldest(self, key_ids: Iterable[str]) -> str:
        """Return the oldest of some key ids; one that we do not know is older still."""
        rank = {kid: number for number, kid in enumerate(self._roots)}

        def age(key_id: str) -> tuple[int, int]:
            kid, _, epoch = key_id.partition("-")
            return rank.get(kid, len(rank)), -int(epoch or 0)

        return max(key_ids, key=age)

    def counted(self, found: Mapping[tuple[str, ...], int]) -> Counter[str]:
        """Count by the name of the oldest of some key ids; without any, not at all."""
        names: Counter[str] = Counter()
        for key_ids, count in found.items():
            if key_ids:
                names[self.named(self.oldest(key_ids))] += count
        return names

    def public_key(self, suite: Suite = Suite.HPKE_X25519) -> PublicKey:
        """Return the public key that others seal with."""
        if suite not in WITH_PUBLIC_KEY:
            raise PublicKeyInvalid(f"suite {suite} has no public key")
        raw = self._newest.public_key(suite, self.key_id)
        return PublicKey(suite, self.key_id, raw)

    def seal(self, plaintext: bytes, suite: Suite, scope: Scope, place: Place) -> str:
        """Seal a value for a place in any way; the newest root key opens it."""
        if suite in WITH_PUBLIC_KEY:
            return self.public_key(suite).seal(plaintext, scope, place)
        return self.seal_at_rest(plaintext, scope, place)

    def seal_at_rest(self, plaintext: bytes, scope: Scope, place: Place) -> str:
        """Seal a value for a place with the newest root key itself."""
        header = Header(Suite.FERNET, scope, self.key_id)
        payload = self._newest.seal_at_rest(header.info(place), plaintext)
        return str(Token(header, payload))

    def open(self, token: str, place: Place) -> bytes:
        """Open a sealed value found at a place."""
        parsed = Token.parse(token, place.field)
        header = parsed.header
        root = self._root(header.key_id)
        if root is None:
            raise UnknownKeyId(
                f"field {place.field}: sealed for key {header.key_id}; "
                f"known here, in any epoch: {', '.join(self.key_ids)}"
            )
        opener = root.opener(header.suite, header.key_id)
        plaintext = opener(header.info(place), parsed.payload)
        if plaintext is None:
            raise TokenNotOpened(
                f"field {place.field}: sealed for another place, or altered; seal it "
                f"again for namespace {place.namespace}, name {place.name} "
                f"and field {place.field}"
            )
        return plaintext

    def resealed(
        self,
        token: str,
        place: Place,
        suite: Suite | None = None,
        scope: Scope | None = None,
    ) -> str:
        """Return a token of the same value for the newest key.

        Args:
            token: what there is; it is returned itself where it is as wanted.
            place: where it is, and stays.
            suite: the suite wanted; None: the one that it has.
            scope: the scope wanted; None: the one that it has.

        Raises:
            Failure: it does not open there.
        """
        header = Token.parse(token, place.field).header
        wanted = Header(suite or header.suite, scope or header.scope, self.key_id)
        if header == wanted:
            return token
        plaintext = self.open(token, place)
        return self.seal(plaintext, wanted.suite, wanted.scope, place)

    def fingerprint(
        self, values: Mapping[str, bytes], namespace: str, name: str
    ) -> str:
        """Return what changes with the credential and tells nothing about it."""
        return _fingerprint(self._newest, self.key_id, values, namespace, name)

    def fingerprint_as(
        self, previous: str, values: Mapping[str, bytes], namespace: str, name: str
    ) -> str | None:
        """Fingerprint under the key that made `previous`; None if that key is gone."""
        if _FINGERPRINT.fullmatch(previous) is None:
            return None
        key_id, _, _ = previous.partition(".")
        root = self._root(key_id)
        if root is None:
            return None
        return _fingerprint(root, key_id, values, namespace, name)

    def derive(self, *label: str) -> tuple[bytes, ...]:
        """Derive a key for a purpose of our own in this epoch, from each root key."""
        return tuple(
            root.derive(*label, key_id)
            for root, key_id in zip(self._roots.values(), self.key_ids, strict=True)
        )

    def _root(self, key_id: str) -> RootKey | None:
        kid, _, _ = key_id.partition("-")
        return self._roots.get(kid)


def _fingerprint(
    root: RootKey, key_id: str, values: Mapping[str, bytes], namespace: str, name: str
) -> str:
    key = root.derive("fingerprint", key_id, namespace, name)
    parts = (part for field in sorted(values) for part in (field, values[field]))
    digest = hmac.digest(key, pack(*parts), "sha256").hex()
    return f"{key_id}.{digest[:_FINGERPRINT_DIGITS]}"
