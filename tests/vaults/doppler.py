"""A fake Doppler: what its clients use of the API, version 3."""

import asyncio
import base64
import dataclasses
import datetime as dt
import hashlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

from tests.vaults import jwt
from tests.vaults.doppler_state import Identity, State, Token
from tests.vaults.limiter import Limiter
from tests.vaults.message import Answer, Asked, encoded, told
from tests.vaults.routes import Routes
from tests.vaults.vault import Vault
from tests.vaults.webhooks import Hook, Sender, signature

_CONFIG = "/v3/configs/config"
_TYPES = {
    "dp.st": "service_token",
    "dp.sa": "service_account_token",
    "dp.said": "service_account_identity",
    "dp.pt": "personal",
    "dp.ct": "cli",
}
_WATCHED_SECONDS = 0.05


class Refused(Exception):
    """A request that gets an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Doppler(Vault[State]):
    """Doppler without its socket."""

    kind = State

    def __init__(self, state: State | None = None) -> None:
        super().__init__(state)
        self._limiter = Limiter()
        self._sender = Sender(self._webhook)
        self._routes = Routes(
            {
                "GET /v3/me": self._me,
                "GET /v3/projects": self._projects,
                "POST /v3/auth/oidc": self._login,
                f"GET {_CONFIG}/secret": self._one,
                f"GET {_CONFIG}/secrets": self._list,
                f"GET {_CONFIG}/secrets/download": self._download,
                f"GET {_CONFIG}/secrets/names": self._names,
                f"GET {_CONFIG}/secrets/watch": self._watch,
            }
        )

    def load(self, document: bytes) -> None:
        """Replace the state, and tell of what changed."""
        before = self.state
        super().load(document)
        for hook in self.state.webhooks:
            old, new = (each.configs.get(hook.place) for each in (before, self.state))
            if old != new:
                self._sender.send(hook, _changed(old or {}, new or {}))

    async def close(self) -> None:
        await self._sender.close()

    async def answer(self, asked: Asked) -> Answer:
        taken = self._limiter.take(_token(asked), self.state.rate, self.now)
        if taken.is_over:
            answer = _error(429, "Exceeded rate limit")
        else:
            answer = self._answer(asked)
        return dataclasses.replace(answer, headers={**answer.headers, **taken.headers})

    def _answer(self, asked: Asked) -> Answer:
        try:
            return self._routes.answer(asked) or _error(404, "Not Found")
        except Refused as refused:
            return _error(refused.status, str(refused))

    def _webhook(self, hook: Hook, news: object) -> tuple[bytes, dict[str, str]]:
        project, config = hook.place.split("/")
        body = encoded(
            {
                "type": "config.secrets.update",
                "config": {
                    "name": config,
                    "created_at": "2026-01-01T00:00:00.000Z",
                    "environment": config.split("_")[0],
                    "project": project,
                },
                "project": {"id": project, "name": project, "description": ""},
                "workplace": {"id": "made-up", "name": "Made-up"},
                "diff": news,
            }
        )
        headers = {"x-doppler-signature": f"sha256={signature(hook.secret, body)}"}
        return body, headers if hook.secret else {}

    def _me(self, asked: Asked) -> Answer:
        self._token(asked)
        token = _token(asked)
        return told(
            {
                "workplace": {"name": "Made-up", "slug": "made-up"},
                "type": _TYPES.get(kind_of(token), "unknown"),
                "token_preview": f"{kind_of(token)}.…{token[-4:]}",
                "slug": "made-up",
                "name": "Made-up",
                "created_at": "2026-01-01T00:00:00.000Z",
                "last_seen_at": _written(self.now),
            }
        )

    def _projects(self, asked: Asked) -> Answer:
        token = self._token(asked)
        names = {place.split("/")[0] for place in self.state.configs}
        items = [{"slug": name} for name in sorted(names) if _reaches(token, name)]
        return told({"projects": items, "page": 1, "success": True})

    def _login(self, asked: Asked) -> Answer:
        given = asked.document()
        identity = self.state.identities.get(str(given.get("identity")))
        claims = self._verified(str(given.get("token")))
        if identity is None or not _is_for(identity, claims, self.now):
            raise Refused(401, "Unable to authenticate")
        token = identity.token or f"dp.said.{secrets.token_hex(21)[:42]}"
        expires_at = self.now + identity.seconds
        self.state.tokens[token] = Token(
            projects=identity.projects, expires_at=expires_at
        )
        return told(
            {"success": True, "token": token, "expires_at": _written(expires_at)}
        )

    def _verified(self, token: str) -> dict[str, Any]:
        """Return the claims of a token; nothing where its signature is not right."""
        keys = self.state.keys
        return jwt.read(token) if keys is None or jwt.is_signed(token, keys) else {}

    def _download(self, asked: Asked) -> Answer:
        if asked.query.get("format", "json") != "json" or asked.query.get(
            "name_transformer"
        ):
            raise Refused(400, "This fake writes plain JSON only")
        found = self._chosen(asked)
        body = encoded({name: computed for name, (_, computed) in found.items()})
        query = "&".join(f"{k}={v}" for k, v in sorted(asked.query.items()))
        tag = f'W/"{hashlib.sha256(query.encode() + body).hexdigest()}"'
        if asked.headers.get("if-none-match") == tag:
            return Answer(304, headers={"etag": tag})
        headers = {"content-type": "application/json", "etag": tag}
        return Answer(200, body, headers)

    def _list(self, asked: Asked) -> Answer:
        found = self._chosen(asked)
        items = {name: _item(*value) for name, value in found.items()}
        return told({"secrets": items, "success": True})

    def _names(self, asked: Asked) -> Answer:
        return told({"names": list(self._chosen(asked)), "success": True})

    def _one(self, asked: Asked) -> Answer:
        name = asked.query.get("name", "")
        found = self._chosen(asked).get(name)
        if found is None:
            raise Refused(404, f"Could not find requested secret: {name}")
        return told({"name": name, "value": _item(*found), "success": True})

    def _watch(self, asked: Asked) -> Answer:
        place = self._place(asked)
        headers = {"content-type": "text/event-stream", "cache-control": "no-cache"}
        # What stands there when it is asked: no change from then on may be missed.
        seen = dict(self.state.configs.get(place, {}))
        return Answer(200, self._events(place, seen), headers)

    async def _events(self, place: str, seen: dict[str, str]) -> AsyncIterator[bytes]:
        pinged = self.now
        yield _event("connected")
        while True:
            await asyncio.sleep(_WATCHED_SECONDS)
            present = self.state.configs.get(place, {})
            if present != seen:
                seen = dict(present)
                yield _event("secrets.update")
            if self.now - pinged >= self.state.ping_seconds:
                pinged = self.now
                yield _event("ping")

    def _chosen(self, asked: Asked) -> dict[str, tuple[str, str]]:
        """Return raw and computed value of what a request is about, by name."""
        place = self._place(asked)
        entered = self.state.entered(place)
        only = asked.query.get("secrets")
        names = entered if only is None else {*only.split(",")} & {*entered}
        return {
            name: (entered[name], self.state.computed(place, entered[name], {name}))
            for name in sorted(names)
        }

    def _place(self, asked: Asked) -> str:
        """Return the config that a request is about and may read."""
        token = self._token(asked)
        bound = (token.config or "/").split("/")
        project = asked.query.get("project") or bound[0]
        config = asked.query.get("config") or bound[1]
        if not project or not config:
            raise Refused(400, "You must specify a project and a config")
        place = f"{project}/{config}"
        if token.config not in {None, place} or not _reaches(token, project):
            raise Refused(
                403, f"This token does not have access to requested config '{config}'"
            )
        if not any(each.startswith(f"{project}/") for each in self.state.configs):
            raise Refused(404, f"Could not find requested project '{project}'")
        if place not in self.state.configs:
            raise Refused(404, f"Could not find requested config '{config}'")
        return place

    def _token(self, asked: Asked) -> Token:
        token = self.state.tokens.get(_token(asked))
        if token is None or self.now >= (token.expires_at or float("inf")):
            raise Refused(401, "Invalid Auth token")
        return token


def kind_of(token: str) -> str:
    """Return how a token begins, without what follows."""
    return ".".join(token.split(".")[:2])


def _token(asked: Asked) -> str:
    if asked.bearer:
        return asked.bearer
    # What Doppler's own operator sends: the token as the name of a user.
    _, _, text = asked.headers.get("authorization", "").partition("Basic ")
    try:
        return base64.b64decode(text).decode().partition(":")[0]
    except ValueError:
        return ""


def _reaches(token: Token, project: str) -> bool:
    return token.projects is None or project in token.projects


def _is_for(identity: Identity, claims: dict[str, Any], now: float) -> bool:
    return (
        claims.get("sub") == identity.subject
        and identity.audience in jwt.audiences(claims)
        and now < claims.get("exp", 0)
    )


def _item(raw: str, computed: str) -> dict[str, str]:
    shown = {"rawVisibility": "masked", "computedVisibility": "masked", "note": ""}
    return {"raw": raw, "computed": computed, **shown}


def _changed(old: dict[str, str], new: dict[str, str]) -> dict[str, list[str]]:
    return {
        "added": sorted(new.keys() - old.keys()),
        "removed": sorted(old.keys() - new.keys()),
        "updated": sorted(k for k in old.keys() & new.keys() if old[k] != new[k]),
    }


def _event(kind: str) -> bytes:
    return b"event: message\ndata: " + encoded({"type": kind}) + b"\n\n"


def _error(status: int, message: str) -> Answer:
    return told({"messages": [message], "success": False}, status)


def _written(seconds: float) -> str:
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
