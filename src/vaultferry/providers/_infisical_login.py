"""Logins to Infisical, by a client secret or by tokens of a ServiceAccount.

Few, because three that fail by a client secret lock out all with that client id.
"""

import hashlib
from http import HTTPStatus
from math import inf
from typing import Any

from vaultferry.core.errors import AuthenticationFailed
from vaultferry.core.provider import Issue
from vaultferry.outbound import Answer
from vaultferry.providers import _http, _infisical_answers
from vaultferry.providers._login import (
    Held,
    Login,
    Server,
    Shown,
    lasting,
    shared,
)

_UNIVERSAL = "/api/v1/auth/universal-auth/login"
_KUBERNETES = "/api/v1/auth/kubernetes-auth/login"
_LIMIT = 64 * 1024

_AGAIN_SECONDS = 60.0
# By default a lock is over after five minutes.
_LOCKED_SECONDS = 330.0
# Whether the ServiceAccount is still there and consents is seen at a login.
_LONGEST_SECONDS = 3600.0

_REFUSED = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)


def universal(server: Server, client_id: str, secret: str) -> Login[Shown]:
    """Return the login by universal auth, with a client secret."""
    body = {"clientId": client_id, "clientSecret": secret}

    async def exchange() -> Held[Shown]:
        now = server.clock()
        answer = await server.vault(_LIMIT).post(_UNIVERSAL, {}, body)
        if answer.status in _REFUSED:
            raise _refusal(answer)
        return _held(_http.document(answer), now, inf)

    credential = server, client_id, hashlib.sha256(secret.encode()).digest()
    return shared(credential, lambda: Login(exchange, server.clock))


def kubernetes(server: Server, identity: str, issue: Issue) -> Login[Shown]:
    """Return the login by Kubernetes auth, with tokens of a ServiceAccount."""

    async def exchange() -> Held[Shown]:
        now = server.clock()
        body = {"identityId": identity, "jwt": _http.word(await issue())}
        answer = await server.vault(_LIMIT).post(_KUBERNETES, {}, body)
        if answer.status in _REFUSED or _is_unknown(answer):
            words = "the vault does not take the token of the ServiceAccount"
            raise AuthenticationFailed(words, wait=_AGAIN_SECONDS)
        return _held(_http.document(answer), now, _LONGEST_SECONDS)

    return shared((server, identity, issue), lambda: Login(exchange, server.clock))


def _is_unknown(answer: Answer) -> bool:
    """Tell whether the server knows no such identity, or it has no Kubernetes auth."""
    is_not_found = answer.status == HTTPStatus.NOT_FOUND
    return is_not_found and not _infisical_answers.lacks_route(answer)


def _held(found: Any, now: float, longest: float) -> Held[Shown]:
    said = found if isinstance(found, dict) else {}
    token, seconds = said.get("accessToken"), said.get("expiresIn")
    if not isinstance(token, str) or not isinstance(seconds, int | float):
        raise _http.unreachable("no-token")
    # Servers of before 2026 say 0 for a token that does not expire.
    until = now + min(longest, lasting(seconds) if seconds > 0 else inf)
    return Held(_http.bearer(token.encode()), until)


def _refusal(answer: Answer) -> AuthenticationFailed:
    """Return what to say of a login that was refused, and how long to make none."""
    if _infisical_answers.is_locked(answer):
        words = "the vault has locked the client id for a while, after failed logins"
        return AuthenticationFailed(words, wait=_LOCKED_SECONDS)
    words = "the vault does not take the client id and the client secret"
    return AuthenticationFailed(words, wait=_AGAIN_SECONDS)
