"""Root keys for tests: made up, always the same, random to look at."""

from base64 import urlsafe_b64encode
from hashlib import sha256

from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Place, Scope
from vaultferry.core.suites import Suite

HERE = Place("backup", "aws-production", "secret_access_key")


def root_key(number: int = 1) -> str:
    """Return a root key as its owner would write it."""
    return urlsafe_b64encode(sha256(b"test root key %d" % number).digest()).decode()


def keyring(*numbers: int, epoch: int = 1) -> Keyring:
    """Return the keyring of these root keys, newest first."""
    return Keyring.parse([root_key(number) for number in numbers or (1,)], epoch)


def seal(
    suite: Suite,
    scope: Scope = Scope.STRICT,
    place: Place = HERE,
    plaintext: bytes = b"canary-plaintext",
    ring: Keyring | None = None,
) -> str:
    """Seal in the way of the suite: with its public key, or with the root key."""
    ring = ring or keyring()
    if suite is Suite.FERNET:
        return ring.seal_at_rest(plaintext, scope, place)
    return ring.public_key(suite).seal(plaintext, scope, place)


def with_part(number: int, text: str, token: str) -> str:
    """Return the token with one of its parts exchanged."""
    parts = token.split(".")
    return ".".join([*parts[:number], text, *parts[number + 1 :]])
