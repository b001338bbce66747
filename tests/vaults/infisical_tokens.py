"""How identities log in to a fake Infisical, and what becomes of their tokens."""

import json
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.vaults import jwt
from tests.vaults.infisical_state import Identity, Refused, State
from tests.vaults.message import Asked

_FAILURES = 3
_LOCKED_SECONDS = 300
_FORGOTTEN_SECONDS = 30


@dataclass
class _Lock:
    """What is remembered of failed logins with one client id."""

    failures: int = 0
    last: float = 0
    until: float = 0


class Tokens:
    """Gives out and checks tokens."""

    def __init__(self) -> None:
        self._locks: dict[str, _Lock] = {}
        self._revoked: set[str] = set()
        self._uses: Counter[str] = Counter()
        self._said_expired: set[str] = set()

    def universal(self, state: State, asked: Asked, now: float) -> dict[str, Any]:
        """Log in with a client id and a client secret."""
        given = _fields(asked, "clientId", "clientSecret")
        if given.get("organizationSlug", state.organization) != state.organization:
            raise Refused(404, "NotFound", "Organization not found")
        client_id = str(given["clientId"]).strip()
        lock = self._locks.setdefault(client_id, _Lock())
        if now < lock.until:
            raise _unauthorized("This identity auth method is temporarily locked")
        name = _holder(state, client_id, str(given["clientSecret"]).strip())
        if name is None:
            _count(lock, now)
            raise _unauthorized("Invalid credentials")
        del self._locks[client_id]
        self._refuse_expired(name, state.identities[name])
        return _issued(state, name, now, now, str(uuid.uuid4()))

    def kubernetes(self, state: State, asked: Asked, now: float) -> dict[str, Any]:
        """Log in with the token of a service account."""
        given = _fields(asked, "identityId", "jwt")
        name = str(given["identityId"])
        identity = state.identities.get(name)
        if identity is None or not identity.subjects:
            raise Refused(404, "NotFound", "Kubernetes auth method not found")
        subject = _subject(state, str(given["jwt"]), identity.audience)
        if subject is None:
            error = "KubernetesTokenReviewError"
            raise Refused(401, error, "Kubernetes token not authenticated")
        if subject not in identity.subjects:
            raise _unauthorized("Access denied: K8s name not allowed.")
        return _issued(state, name, now, now, str(uuid.uuid4()))

    def renew(self, state: State, asked: Asked, now: float) -> dict[str, Any]:
        """Give a new token for one that is still good."""
        token = str(_fields(asked, "accessToken")["accessToken"])
        claims = self._checked(state, token, now)
        return _issued(
            state, claims["identityId"], now, claims["creationEpoch"], claims["jti"]
        )

    def revoke(self, asked: Asked) -> dict[str, Any]:
        """End a token, for the second time too."""
        token = str(_fields(asked, "accessToken")["accessToken"])
        self._revoked.add(str(jwt.read(token).get("jti")))
        return {"message": "Successfully revoked access token"}

    def holder(self, state: State, asked: Asked, now: float) -> str:
        """Return the id of the identity that asks."""
        if not asked.headers.get("authorization"):
            raise _unauthorized("Token missing")
        if asked.bearer.startswith("st."):
            raise Refused(404, "NotFound", "Service token not found")
        claims = self._checked(state, asked.bearer, now)
        name: str = claims["identityId"]
        self._uses[claims["jti"]] += 1
        limit = state.identities[name].token_uses
        if limit and self._uses[claims["jti"]] > limit:
            raise _unauthorized("Access token usage limit reached")
        return name

    def _checked(self, state: State, token: str, now: float) -> dict[str, Any]:
        claims = _fixed(state, token) or _verified(token, now)
        identity = state.identities.get(str(claims.get("identityId")))
        if identity is None or claims["jti"] in self._revoked:
            raise _unauthorized("Access token has been revoked")
        if identity.secret_revoked:
            raise _unauthorized("Client secret has been revoked")
        return claims

    def _refuse_expired(self, name: str, identity: Identity) -> None:
        if not identity.secret_expired:
            return
        if name in self._said_expired:
            raise _unauthorized("Invalid credentials")
        self._said_expired.add(name)
        raise _unauthorized("Access denied due to expired client secret")


def _fixed(state: State, token: str) -> dict[str, Any]:
    """Return what is known of a token that is no JWT; nothing: it is none of those."""
    for name, identity in state.identities.items():
        if token and identity.token == token:
            return {"identityId": name, "jti": name, "creationEpoch": 0}
    return {}


def _verified(token: str, now: float) -> dict[str, Any]:
    if token.count(".") != 2:
        raise Refused(403, "TokenError", "jwt malformed")
    claims = jwt.read(token)
    if not claims:
        raise Refused(403, "TokenError", "invalid token")
    if not jwt.is_ours(token):
        raise Refused(403, "TokenError", "invalid signature")
    if "exp" not in claims:
        raise _unauthorized("Access token has exceeded max age")
    if now >= claims["exp"]:
        raise Refused(403, "TokenError", "Your token has expired")
    return claims


def _issued(
    state: State, name: str, now: float, created: float, jti: str
) -> dict[str, Any]:
    identity = state.identities[name]
    left = created + (identity.longest or state.ceiling) - now
    seconds = int(min(identity.seconds or state.ceiling, left))
    claims = {
        "identityId": name,
        "jti": jti,
        "creationEpoch": created,
        "accessTokenTTL": identity.ttl,
        "accessTokenMaxTTL": identity.max_ttl,
        "iat": int(now),
        "exp": now + seconds,
    }
    return {
        "accessToken": identity.token or jwt.write(claims),
        "expiresIn": seconds,
        "accessTokenMaxTTL": identity.longest,
        "tokenType": "Bearer",
    }


def _holder(state: State, client_id: str, secret: str) -> str | None:
    """Return the id of the identity that these belong to."""
    for name, identity in state.identities.items():
        known = identity.client_id, identity.client_secret
        if all(known) and known == (client_id, secret) and not identity.secret_revoked:
            return name
    return None


def _count(lock: _Lock, now: float) -> None:
    if now - lock.last > _FORGOTTEN_SECONDS:
        lock.failures = 0
    lock.failures += 1
    lock.last = now
    if lock.failures >= _FAILURES:
        lock.until = now + _LOCKED_SECONDS
        lock.failures = 0


def _subject(state: State, token: str, audience: str) -> str | None:
    """Return whose a token for an audience is; None: it is not right."""
    if state.reviewer is not None:
        return state.reviewer.subject(token, audience)
    claims = jwt.read(token)
    if audience and audience not in jwt.audiences(claims):
        return None
    return claims.get("sub")


def _fields(asked: Asked, *names: str) -> dict[str, Any]:
    """Return the body, which has these."""
    try:
        given = json.loads(asked.body)
    except ValueError:
        raise Refused(500, "InternalServerError", "Something went wrong") from None
    missing = [name for name in names if not isinstance(given.get(name), str)]
    if missing:
        raise Refused(422, "ValidationFailure", [_absent(name) for name in missing])
    found: dict[str, Any] = given
    return found


def _absent(name: str) -> dict[str, Any]:
    return {"code": "invalid_type", "path": [name], "message": "Required"}


def _unauthorized(message: str) -> Refused:
    return Refused(401, "UnauthorizedError", message)
