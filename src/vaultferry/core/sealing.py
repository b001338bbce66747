"""Sealed values: their text, the place they are bound to, and who can make one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from vaultferry.core.encoding import from_base64url, pack, to_base64url
from vaultferry.core.errors import PublicKeyInvalid, TokenMalformed
from vaultferry.core.suites import PRODUCT, WITH_PUBLIC_KEY, Suite

FORMAT = "vf1"
PUBLIC_KEY_FORMAT = "vfpk1"
MAX_EPOCH = 999_999

_KEY_ID = re.compile(r"[0-9a-f]{8}-[1-9][0-9]{0,5}")
_WANTED = "vf1.<suite>.<scope>.<key id>.<payload>; `vaultferry seal` makes one"
_PARTS = 5
_PUBLIC_KEY_PARTS = 4


class Scope(StrEnum):
    """What a sealed value is bound to."""

    STRICT = "strict"
    NAMESPACE = "namespace"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value belongs: a field of a VaultSecret in a namespace."""

    namespace: str
    name: str
    field: str

    def within(self, scope: Scope) -> "Place":
        """Return what this scope binds, the rest left empty."""
        match scope:
            case Scope.STRICT:
                return self
            case Scope.NAMESPACE:
                return Place(self.namespace, "", "")
            case Scope.CLUSTER:  # pragma: no branch - mypy knows that it is the last
                return Place("", "", "")


@dataclass(frozen=True, slots=True)
class Header:
    """What a token says about itself; all of it is authenticated."""

    suite: Suite
    scope: Scope
    key_id: str

    def info(self, place: Place) -> bytes:
        """Return the context that HKDF and HPKE bind the ciphertext to."""
        bound = place.within(self.scope)
        return pack(
            PRODUCT,
            FORMAT,
            self.suite,
            self.scope,
            self.key_id,
            bound.namespace,
            bound.name,
            bound.field,
        )


@dataclass(frozen=True, slots=True)
class Token:
    """A sealed value: header and ciphertext."""

    header: Header
    payload: bytes

    def __str__(self) -> str:
        head = self.header
        payload = to_base64url(self.payload)
        return f"{FORMAT}.{head.suite}.{head.scope}.{head.key_id}.{payload}"

    @classmethod
    def parse(cls, text: str, field: str) -> Self:
        """Read a token; only its one canonical text is accepted.

        The message says which part is wrong and never quotes it: people put
        plaintext here by mistake.
        """
        parts = text.split(".")
        if len(parts) != _PARTS or parts[0] != FORMAT:
            raise TokenMalformed(f"field {field}: no token, wanted is {_WANTED}")
        _, suite, scope, key_id, payload = parts
        raw = from_base64url(payload)
        checks = {
            "suite": suite in set(Suite),
            "scope": scope in set(Scope),
            "key id": is_key_id(key_id),
            "payload": bool(raw),
        }
        wrong = ", ".join(part for part, is_right in checks.items() if not is_right)
        if wrong or not raw:
            raise TokenMalformed(
                f"field {field}: token of a {wrong} that is malformed or unknown here, "
                f"wanted is {_WANTED}"
            )
        return cls(Header(Suite(suite), Scope(scope), key_id), raw)


def key_ids(sealed: object) -> tuple[str, ...]:
    """Return the key ids of tokens by field, sorted; "" stands for what is no token.

    Nothing but the key id is looked at: it is asked of every resource at every event.
    """
    if not isinstance(sealed, Mapping):
        return ()
    return tuple(sorted({_key_id(str(text)) for text in sealed.values()}))


def _key_id(text: str) -> str:
    parts = text.split(".", _PARTS - 1)
    is_token = len(parts) == _PARTS and parts[0] == FORMAT
    return parts[3] if is_token and is_key_id(parts[3]) else ""


def is_key_id(text: str) -> bool:
    """Tell whether this is a canonical key id: 8 hex digits and an epoch."""
    return _KEY_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class PublicKey:
    """With this anyone can seal, and nobody can open."""

    suite: Suite
    key_id: str
    raw: bytes

    def __str__(self) -> str:
        raw = to_base64url(self.raw)
        return f"{PUBLIC_KEY_FORMAT}.{self.suite}.{self.key_id}.{raw}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form; only the canonical one, on one line, is accepted."""
        parts = text.split(".")
        if len(parts) != _PUBLIC_KEY_PARTS or parts[0] != PUBLIC_KEY_FORMAT:
            raise PublicKeyInvalid(
                "no public key: wanted is one line vfpk1.<suite>.<key id>.<key>, "
                "`vaultferry public-key` prints it"
            )
        _, suite, key_id, key = parts
        if suite not in WITH_PUBLIC_KEY:
            known = ", ".join(WITH_PUBLIC_KEY)
            raise PublicKeyInvalid(f"public key of an unknown suite; known: {known}")
        raw = from_base64url(key)
        if not is_key_id(key_id) or raw is None:
            raise PublicKeyInvalid("public key damaged: its key id or key is malformed")
        public_key = cls(Suite(suite), key_id, raw)
        public_key.seal(b"", Scope.CLUSTER, Place("", "", ""))  # refuses a useless key
        return public_key

    def seal(self, plaintext: bytes, scope: Scope, place: Place) -> str:
        """Seal a value for a place; returns the token."""
        header = Header(self.suite, scope, self.key_id)
        suite = WITH_PUBLIC_KEY[self.suite]
        payload = suite.seal(self.raw, header.info(place), plaintext)
        if payload is None:
            raise PublicKeyInvalid("public key damaged: its key is no usable one")
        return str(Token(header, payload))
