"""Logins to Infisical: few, because three that fail lock out all with that client id.

Sessions with the same credential share one login, so that its failure is one as well,
however many connections there are. A token is kept until shortly before it expires.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from math import inf
from typing import Any
from weakref import WeakValueDictionary

from vaultferry.core.errors import AuthenticationFailed
from vaultferry.outbound import Answer, Outbound
from vaultferry.providers import _http, _infisical_answers

_PATH = "/api/v1/auth/universal-auth/login"
_LIMIT = 64 * 1024

_AGAIN_SECONDS = 60.0
# By default a lock is over after five minutes.
_LOCKED_SECONDS = 330.0
# A token is not used in the last part of its time, or the way may be too long for it.
_UNUSED_SECONDS = 30.0
_UNUSED_PART = 0.1

_REFUSED = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)


@dataclass(frozen=True)
class Credential:
    """Where somebody logs in, and as whom."""

    address: str
    bundle: str | None
    client_id: str


@dataclass(frozen=True, repr=False, eq=False)
class Token:
    """What a login brought; without a `repr`, because it holds the token."""

    headers: Mapping[str, str]
    until: float


class Login:
    """One credential, and the token that it brought."""

    def __init__(
        self,
        vault: _http.Vault,
        client_id: str,
        secret: str,
        clock: Callable[[], float],
    ) -> None:
        """Take a credential; nothing is called yet."""
        self._vault = vault
        self._body = {"clientId": client_id, "clientSecret": secret}
        self._clock = clock
        self._turn = asyncio.Lock()
        self._token: Token | None = None
        self._refusal = ""
        self._quiet_until = -inf

    async def token(self, refused: Token | None = None) -> Token:
        """Return a token that can be used.

        Args:
            refused: one that the vault did not take; it is not returned again.

        Raises:
            VaultFailure: there was none to be had.
        """
        async with self._turn:
            held = self._token
            if held is None or held is refused or held.until <= self._clock():
                self._token = None
                held = self._token = await self._logged_in()
            return held

    async def _logged_in(self) -> Token:
        now = self._clock()
        if now < self._quiet_until:
            wait = self._quiet_until - now
            raise AuthenticationFailed(self._refusal, wait=wait)
        answer = await self._vault.post(_PATH, {}, self._body)
        if answer.status in _REFUSED:
            self._refusal, wait = _refusal(answer)
            self._quiet_until = self._clock() + wait
            raise AuthenticationFailed(self._refusal, wait=wait)
        return _token(_http.document(answer), now)


# Weak: a login is known as long as a session has it.
_LOGINS: WeakValueDictionary[tuple[Outbound, Credential, bytes], Login]
_LOGINS = WeakValueDictionary()


def login(
    outbound: Outbound, credential: Credential, secret: str, clock: Callable[[], float]
) -> Login:
    """Return the login of a credential: one for all that have the same.

    Args:
        outbound: what calls are made by.
        credential: all of it but the secret.
        secret: the client secret.
        clock: monotonic, in seconds.
    """
    key = outbound, credential, hashlib.sha256(secret.encode()).digest()
    known = _LOGINS.get(key)
    if known is None:
        where = credential.address, credential.bundle
        vault = _http.Vault(outbound, *where, _LIMIT)
        known = _LOGINS[key] = Login(vault, credential.client_id, secret, clock)
    return known


def _token(found: Any, now: float) -> Token:
    said = found if isinstance(found, dict) else {}
    token, seconds = said.get("accessToken"), said.get("expiresIn")
    if not isinstance(token, str) or not isinstance(seconds, int | float):
        raise _http.unreachable("no-token")
    unused = min(_UNUSED_SECONDS, seconds * _UNUSED_PART)
    # Servers of before 2026 say 0 for a token that does not expire.
    until = now + seconds - unused if seconds > 0 else inf
    return Token(_http.bearer(token.encode()), until)


def _refusal(answer: Answer) -> tuple[str, float]:
    """Return what to say of a login that was refused, and how long to make none."""
    if _infisical_answers.is_locked(answer):
        words = "the vault has locked the client id for a while, after failed logins"
        return words, _LOCKED_SECONDS
    words = "the vault does not take the client id and the client secret"
    return words, _AGAIN_SECONDS
