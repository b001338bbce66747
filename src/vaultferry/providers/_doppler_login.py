"""Logins to Doppler, as an identity of a service account of it, by OIDC.

https://docs.doppler.com/docs/service-account-identities; the call is the one that the
vendor's own operator makes.
"""

from http import HTTPStatus
from typing import Any

from vaultferry.core.errors import AuthenticationFailed
from vaultferry.core.provider import Issue
from vaultferry.providers import _http
from vaultferry.providers._login import (
    Held,
    Login,
    Server,
    Shown,
    lasting,
    seconds_until,
    shared,
)

_PATH = "/v3/auth/oidc"
_LIMIT = 64 * 1024
_AGAIN_SECONDS = 60.0
# Whether the ServiceAccount is still there and consents is seen at a login.
_LONGEST_SECONDS = 3600.0

_REFUSED = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)


def oidc(server: Server, identity: str, issue: Issue) -> Login[Shown]:
    """Return the login as an identity, with tokens of a ServiceAccount."""

    async def exchange() -> Held[Shown]:
        now = server.clock()
        body = {"identity": identity, "token": _http.word(await issue())}
        answer = await server.vault(_LIMIT).post(_PATH, {}, body)
        if answer.status in _REFUSED:
            words = "the vault does not take the token of the ServiceAccount"
            raise AuthenticationFailed(words, wait=_AGAIN_SECONDS)
        return _held(_http.document(answer), now)

    return shared((server, identity, issue), lambda: Login(exchange, server.clock))


def _held(found: Any, now: float) -> Held[Shown]:
    said = found if isinstance(found, dict) else {}
    token = said.get("token")
    try:
        seconds = seconds_until(said["expires_at"])
    except (KeyError, TypeError, ValueError):
        seconds = 0.0
    if not isinstance(token, str) or seconds <= 0:
        raise _http.unreachable("no-token")
    until = now + min(_LONGEST_SECONDS, lasting(seconds))
    return Held(_http.bearer(token.encode()), until)
