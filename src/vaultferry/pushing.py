"""What the webhooks of connections are verified with."""

import secrets
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from vaultferry.core.health import Said
from vaultferry.core.signing import Headers, is_signed
from vaultferry.views import Key

Verify = Callable[[Headers, bytes, bytes, float], bool]

TAKEN = Said(
    "True", "Configured", "Webhooks that are signed with its secret are taken."
)
_NOT_SERVED = Said(
    "False", "NotServed", "The operator takes no webhooks: it has no --push-port."
)


@dataclass(frozen=True, repr=False)
class Signer:
    """What signs the webhooks of a connection; without a `repr`, it holds a secret."""

    verify: Verify
    secret: bytes


@dataclass(frozen=True, repr=False)
class _Known:
    version: Hashable
    said: Said
    signer: Signer | None


class Signers:
    """What signs, by connection; held in memory, so that no request costs a call."""

    def __init__(self, *, is_served: bool) -> None:
        """Know none; `is_served`: whether webhooks can come at all."""
        self._is_served = is_served
        self._known: dict[Key, _Known] = {}
        # What is no connection's takes as long to verify, and is never right.
        self._nobody = Signer(_is_never_signed, secrets.token_bytes(32))

    def said(self, key: Key, version: Hashable) -> Said | None:
        """Return what becomes of the webhooks of a connection; None: find out.

        Args:
            key: the connection.
            version: what that depends on.
        """
        if not self._is_served:
            return _NOT_SERVED
        known = self._known.get(key)
        return known.said if known and known.version == version else None

    def put(self, key: Key, version: Hashable, signer: Signer) -> Said:
        """Take what signs the webhooks of a connection."""
        self._known[key] = _Known(version, TAKEN, signer)
        return TAKEN

    def lack(self, key: Key, version: Hashable, why: str) -> Said:
        """Say why it is not to be had."""
        said = Said("False", "SecretNotReady", why)
        self._known[key] = _Known(version, said, None)
        return said

    def drop(self, key: Key) -> None:
        """Forget a connection, or that it wants webhooks."""
        self._known.pop(key, None)

    def verify(self, key: Key, headers: Headers, body: bytes, now: float) -> bool:
        """Tell whether a request is a webhook of a connection.

        A connection that is not there, one that takes none, and a wrong signature look
        alike, and take as long.
        """
        known = self._known.get(key)
        signer = known.signer if known and known.signer else self._nobody
        return signer.verify(headers, body, signer.secret, now)


def _is_never_signed(headers: Headers, body: bytes, secret: bytes, now: float) -> bool:
    del headers, now
    return is_signed("", body, secret)
