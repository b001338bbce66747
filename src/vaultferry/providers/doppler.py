"""Doppler: the values of one config, fetched whole and by ETag.

https://docs.doppler.com/reference/secrets-download; that the call honours
If-None-Match is not written there, but the vendor's own CLI and operator rely on it.
"""

import json
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from http import HTTPStatus
from urllib.parse import urlencode

from vaultferry.core.budget import Quota
from vaultferry.core.document import Document, Wanted
from vaultferry.core.errors import ConnectionNotReady, ReferenceInvalid
from vaultferry.core.model import Model
from vaultferry.core.provider import (
    Account,
    Credential,
    Given,
    Kept,
    Provider,
    Webhook,
)
from vaultferry.core.signing import Headers, is_signed, only
from vaultferry.core.vaultconnection import (
    AccountRef,
    Address,
    Bundle,
    Part,
    TokenRef,
)
from vaultferry.outbound import Answer, Outbound
from vaultferry.providers import _http
from vaultferry.providers._doppler_login import oidc
from vaultferry.providers._login import Login, Server, Shown, ask

_ADDRESS = "https://api.doppler.com"

# 500 KiB of values is what a config holds at most, by the vendor's own limits; JSON
# may take six characters for one.
_LIMIT = 4 * 1024 * 1024

# Doppler's own, in every answer: no secrets, and nobody asked for them.
_OWN = frozenset({"DOPPLER_PROJECT", "DOPPLER_CONFIG", "DOPPLER_ENVIRONMENT"})

# The vendor pings, and does not say how often; who is cut off comes again.
_SILENCE_SECONDS = 90.0
_NEWS = frozenset({"connected", "secrets.update"})

_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,199}")


class Oidc(Model):
    """An identity of a service account of Doppler, for a ServiceAccount to log in."""

    identity_id: Part
    """The id of the identity."""

    service_account_ref: AccountRef
    """The ServiceAccount; its tokens have the audience `vaultferry.dev/doppler`."""


class Settings(Model):
    """A config of Doppler."""

    address: Address | None = None
    """Where the API is; default: the vendor's."""

    project: Part
    """The project."""

    config: Part
    """The config."""

    token_secret_ref: TokenRef | None = None
    """The token, best a service token: it reads one config and nothing else."""

    oidc: Oidc | None = None
    """An identity of a service account of Doppler, instead of a token."""

    webhook_secret_ref: TokenRef | None = None
    """What the webhooks of Doppler are signed with; none: none are taken."""

    watch: bool = False
    """Whether to be told of changes by Doppler's event stream, on plans with one."""

    ca_bundle: Bundle | None = None
    """Certificates (PEM) to trust instead of the public ones."""


def _find(settings: Settings, reference: str) -> Wanted:
    if not _NAME.fullmatch(reference):
        raise ReferenceInvalid(
            "a reference to Doppler is the name of a secret, such as DB_PASSWORD: "
            "capital letters, digits and _"
        )
    place = _whole(settings, "")
    return Wanted(place, reference, _canonical(settings, place, reference))


def _whole(settings: Settings, path: str) -> str:
    if path:
        raise ReferenceInvalid(
            "fieldsFrom takes the whole config of the connection: leave path out"
        )
    return f"{settings.project}/{settings.config}"


def _canonical(settings: Settings, place: str, key: str) -> str:
    del settings
    return f"{place}/{key}"


def _verify(headers: Headers, body: bytes, secret: bytes, now: float) -> bool:
    """Tell whether Doppler signed a request; it does not say when."""
    del now
    said = only(headers, "x-doppler-signature")
    way, _, claimed = said.partition("=")
    return is_signed(claimed if way == "sha256" else "", body, secret)


def _token(settings: Settings) -> Credential:
    if settings.oidc:
        return Account.at(settings.oidc.service_account_ref, "doppler")
    if settings.token_secret_ref:
        return Kept.at(settings.token_secret_ref)
    raise ConnectionNotReady("spec.doppler names no credential")


PROVIDER = Provider(
    name="doppler",
    field="doppler",
    summary="a config of Doppler",
    settings=Settings,
    token=_token,
    find=_find,
    whole=_whole,
    canonical=_canonical,
    references="the name of a secret (`DB_PASSWORD`)",
    webhook=Webhook(lambda settings: settings.webhook_secret_ref, _verify),
    rules=(
        {
            "rule": "has(self.tokenSecretRef) != has(self.oidc)",
            "message": "names no credential, or two: write tokenSecretRef or oidc",
        },
    ),
)


class _Session:
    """A config, with one token or as one identity."""

    def __init__(
        self, settings: Settings, who: Shown | Login[Shown], vault: _http.Vault
    ) -> None:
        self._vault = vault
        self._who = who
        self.listens = settings.watch
        config = {"project": settings.project, "config": settings.config}
        query = config | {"format": "json", "include_dynamic_secrets": "false"}
        self._path = f"/v3/configs/config/secrets/download?{urlencode(query)}"
        self._watch = f"/v3/configs/config/secrets/watch?{urlencode(config)}"

    @property
    def quota(self) -> Quota | None:
        """What the vault said last of its limit on calls; see `Metered`."""
        return self._vault.quota

    async def fetch(self, place: str, known: Document | None) -> Document:
        """Return the values of the config; see `Session`."""
        del place  # there is one
        answer = await self._get(self._path, known)
        if answer.status == HTTPStatus.NOT_MODIFIED and known:
            return known
        self._drop(answer)
        _check(answer)
        return Document(_values(answer), answer.headers.get("etag"))

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yield when Doppler tells of a change; see `Streaming`."""
        silence, shown = _SILENCE_SECONDS, await self._shown()
        async with self._vault.stream(self._watch, shown, silence) as stream:
            answer = Answer(stream.status, stream.headers, b"")
            self._drop(answer)
            _check(answer)
            _http.check(answer)
            async for line in stream.lines:
                if _kind(line) in _NEWS:
                    yield

    async def check(self) -> None:
        """See whether the token is taken; see `Session`."""
        answer = await self._get("/v3/me")
        _http.check(answer, refused=(401, 403))

    async def _shown(self) -> Shown:
        if isinstance(self._who, Login):
            return (await self._who.held()).what
        return self._who

    def _drop(self, answer: Answer) -> None:
        """Log in anew the next time, where that may have more rights."""
        is_less = answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        if is_less and isinstance(self._who, Login):
            self._who.drop()

    async def _get(self, path: str, known: Document | None = None) -> Answer:
        async def send(token: Shown) -> Answer:
            return await self._vault.get(path, token, known)

        if isinstance(self._who, Login):
            return await ask(self._who, send, _is_refused)
        return await send(self._who)


def session(
    settings: Settings,
    token: Given,
    outbound: Outbound,
    clock: Callable[[], float] = time.monotonic,
) -> _Session:
    """Return a session with one token, or as one identity."""
    address = (settings.address or _ADDRESS).rstrip("/")
    server = Server(outbound, address, settings.ca_bundle, clock)
    return _Session(settings, _who(settings, token, server), server.vault(_LIMIT))


def _who(settings: Settings, token: Given, server: Server) -> Shown | Login[Shown]:
    if isinstance(token, Mapping):
        [fixed] = token.values()
        return _http.bearer(fixed)
    return oidc(server, settings.oidc.identity_id if settings.oidc else "", token)


def _is_refused(answer: Answer) -> bool:
    return answer.status == HTTPStatus.UNAUTHORIZED


def _check(answer: Answer) -> None:
    _http.check_place(
        answer,
        "the token may not read this project and config",
        "there is no such project or config",
        absent=(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND),
    )


def _values(answer: Answer) -> dict[str, bytes]:
    return {k: v for k, v in _http.texts(answer).items() if k not in _OWN}


def _kind(line: bytes) -> str:
    """Return what an event is called; nothing where the line is none that we know."""
    if not line.startswith(b"data:"):
        return ""
    try:
        event = json.loads(line[5:])
    except (ValueError, RecursionError):
        return ""
    kind = event.get("type") if isinstance(event, dict) else None
    return kind if isinstance(kind, str) else ""
