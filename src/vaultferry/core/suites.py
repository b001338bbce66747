"""The ways to encrypt a value: one class per suite, one table of them all.

A new suite is one more name, one more class and one more line in a table.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from enum import StrEnum
from hashlib import shake_256
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vaultferry.core.encoding import pack

PRODUCT = "vaultferry"
KEY_BYTES = 32

Opener = Callable[[bytes, bytes], bytes | None]
"""Opens (info, payload): the plaintext, or None whatever the cause."""


class Suite(StrEnum):
    """The suites' names as tokens spell them."""

    HPKE_X25519 = "hpke-x25519"
    FERNET = "fernet"
    HPKE_MLKEM768X25519 = "hpke-mlkem768x25519"


def derive(root: bytes, info: bytes, length: int = KEY_BYTES) -> bytes:
    """Derive a key from a root key with HKDF-SHA256, without salt."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(root)


class SuiteWithPublicKey(Protocol):
    """Anyone can seal, only the root key opens."""

    def public_key(self, root: bytes, key_id: str) -> bytes:
        """Return the public key of this root key and epoch."""
        ...

    def seal(self, public_key: bytes, info: bytes, plaintext: bytes) -> bytes | None:
        """Return the payload; None where the public key is none."""
        ...

    def opener(self, root: bytes, key_id: str) -> Opener:
        """Return what opens payloads for this root key and epoch."""
        ...


class SuiteAtRest(Protocol):
    """Whoever seals holds the root key."""

    def seal(self, root: bytes, info: bytes, plaintext: bytes) -> bytes:
        """Return the payload."""
        ...

    def opener(self, root: bytes, key_id: str) -> Opener:
        """Return what opens payloads for this root key and epoch."""
        ...


class HpkeX25519:
    """RFC 9180, base mode: X25519, HKDF-SHA256, AES-256-GCM; payload = enc + ct."""

    _hpke = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)

    def _private_key(self, root: bytes, key_id: str) -> X25519PrivateKey:
        info = pack(PRODUCT, "private-key", Suite.HPKE_X25519, key_id)
        return X25519PrivateKey.from_private_bytes(derive(root, info))

    def public_key(self, root: bytes, key_id: str) -> bytes:
        """Return the public key of this root key and epoch."""
        return self._private_key(root, key_id).public_key().public_bytes_raw()

    def seal(self, public_key: bytes, info: bytes, plaintext: bytes) -> bytes | None:
        """Return the payload; None where the public key is none."""
        try:
            recipient = X25519PublicKey.from_public_bytes(public_key)
            return self._hpke.encrypt(plaintext, recipient, info)
        except ValueError:  # another length, or a point of small order
            return None

    def opener(self, root: bytes, key_id: str) -> Opener:
        """Return what opens payloads for this root key and epoch."""
        private_key = self._private_key(root, key_id)

        def open_payload(info: bytes, payload: bytes) -> bytes | None:
            try:
                return self._hpke.decrypt(payload, private_key, info)
            except (InvalidTag, ValueError):
                return None

        return open_payload


class HpkeMlkem768X25519:
    """RFC 9180 with the hybrid KEM MLKEM768-X25519; payload = enc + ct.

    Safe as long as one of the two is: ML-KEM also from a quantum computer, X25519 also
    where ML-KEM turns out to be weak. The KEM is of draft-ietf-hpke-pq, where it is
    also called X-Wing: its private key is a seed of 32 bytes.
    """

    _hpke = hpke.Suite(
        hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM
    )
    _mlkem_seed = 64
    _mlkem_public = 1184

    def _private_keys(
        self, root: bytes, key_id: str
    ) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        info = pack(PRODUCT, "private-key", Suite.HPKE_MLKEM768X25519, key_id)
        # The draft's expansion of the seed; the library takes the two keys.
        expanded = shake_256(derive(root, info)).digest(self._mlkem_seed + KEY_BYTES)
        mlkem, x25519 = expanded[: self._mlkem_seed], expanded[self._mlkem_seed :]
        return (
            MLKEM768PrivateKey.from_seed_bytes(mlkem),
            X25519PrivateKey.from_private_bytes(x25519),
        )

    def public_key(self, root: bytes, key_id: str) -> bytes:
        """Return the public key of this root key and epoch."""
        mlkem, x25519 = self._private_keys(root, key_id)
        raw = mlkem.public_key().public_bytes_raw()
        return raw + x25519.public_key().public_bytes_raw()

    def seal(self, public_key: bytes, info: bytes, plaintext: bytes) -> bytes | None:
        """Return the payload; None where the public key is none."""
        mlkem = public_key[: self._mlkem_public]
        x25519 = public_key[self._mlkem_public :]
        try:
            recipient = hpke.MLKEM768X25519PublicKey(
                MLKEM768PublicKey.from_public_bytes(mlkem),
                X25519PublicKey.from_public_bytes(x25519),
            )
            return self._hpke.encrypt(plaintext, recipient, info)
        except ValueError:  # another length, no key of ML-KEM, a point of small order
            return None

    def opener(self, root: bytes, key_id: str) -> Opener:
        """Return what opens payloads for this root key and epoch."""
        private_key = hpke.MLKEM768X25519PrivateKey(*self._private_keys(root, key_id))

        def open_payload(info: bytes, payload: bytes) -> bytes | None:
            try:
                return self._hpke.decrypt(payload, private_key, info)
            except InvalidTag:
                return None

        return open_payload


class FernetAtRest:
    """A Fernet key for each `info`, as Fernet has no associated data; payload = raw.

    Its time is always 0: no clock is read, none is told, and none can make a token
    too old, so there is never a ttl.
    """

    def seal(self, root: bytes, info: bytes, plaintext: bytes) -> bytes:
        """Return the payload: a Fernet token without its base64."""
        token = _fernet(root, info).encrypt_at_time(plaintext, 0)
        return urlsafe_b64decode(token)

    def opener(self, root: bytes, key_id: str) -> Opener:
        """Return what opens payloads for this root key; `info` holds the epoch."""
        del key_id

        def open_payload(info: bytes, payload: bytes) -> bytes | None:
            try:
                return _fernet(root, info).decrypt(urlsafe_b64encode(payload))
            except InvalidToken:
                return None

        return open_payload


def _fernet(root: bytes, info: bytes) -> Fernet:
    return Fernet(urlsafe_b64encode(derive(root, info)))


AT_REST: SuiteAtRest = FernetAtRest()
WITH_PUBLIC_KEY: Mapping[str, SuiteWithPublicKey] = {
    Suite.HPKE_X25519: HpkeX25519(),
    Suite.HPKE_MLKEM768X25519: HpkeMlkem768X25519(),
}
ALL: Mapping[str, SuiteWithPublicKey | SuiteAtRest] = {
    **WITH_PUBLIC_KEY,
    Suite.FERNET: AT_REST,
}
