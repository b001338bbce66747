"""Infisical: the secrets of a folder with all that it imports, listed by one call.

https://infisical.com/docs/api-reference/endpoints/secrets/list; what is not written
there was seen on a server of July 2026.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, NamedTuple
from urllib.parse import quote, urlencode

from pydantic import Field

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
from vaultferry.providers import _infisical_answers as answers
from vaultferry.providers._infisical_login import kubernetes, universal
from vaultferry.providers._login import Login, Server, Shown, ask

_ADDRESS = "https://us.infisical.com"

# A thousand secrets are half a megabyte, and one value may be a whole one.
_LIMIT = 8 * 1024 * 1024

_MAX_NAME = 253

# A 304 may outlive the right to read: now and then an answer has to be a whole one.
_WHOLE_SECONDS = 3600.0

# A webhook is sent once, when it is signed; clocks differ.
_FRESH_SECONDS = 300.0
_SIGNATURE = re.compile(r"t=([0-9]{1,15});([0-9a-f]{64})")

# The defaults differ between the versions of the server: each switch is said.
_SWITCHES = {
    "expandSecretReferences": "true",
    # The first servers with version 4 had the old name there as well; what a version
    # does not know it ignores.
    "includeImports": "true",
    "include_imports": "true",
    "includePersonalOverrides": "false",
    "recursive": "false",
    "viewSecretValue": "true",
}

# What a folder imports has versions where it is from.
_SWITCHES_ONE = {
    "expandSecretReferences": "true",
    "includeImports": "false",
    "include_imports": "false",
    "type": "shared",
    "viewSecretValue": "true",
}

_Folder = Annotated[
    str, Field(min_length=1, max_length=512, pattern=r"^/([^/]+(/[^/]+)*/?)?$")
]
_Slug = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_-]+$")]


class KubernetesAuth(Model):
    """A machine identity that a ServiceAccount logs in as."""

    identity_id: Part
    """The id of the machine identity."""

    service_account_ref: AccountRef
    """The ServiceAccount; its tokens have the audience `vaultferry.dev/infisical`."""


class Settings(Model):
    """A folder in an environment of a project of Infisical."""

    address: Address | None = None
    """Where the server is; default: the vendor's in the US."""

    project_id: Part | None = None
    """The project, by its id."""

    project_slug: _Slug | None = None
    """The project, by its slug; costs one call more."""

    environment: Part
    """The environment, by its slug."""

    path: _Folder = "/"
    """The folder where names without a path are, from the root; default: the root."""

    client_id: Part | None = None
    """The client id of a machine identity with universal auth."""

    client_secret_secret_ref: TokenRef | None = None
    """The client secret."""

    kubernetes_auth: KubernetesAuth | None = None
    """A machine identity with Kubernetes auth, instead of a client id and secret."""

    webhook_secret_ref: TokenRef | None = None
    """What the webhooks of Infisical are signed with; none: none are taken."""

    ca_bundle: Bundle | None = None
    """Certificates (PEM) to trust instead of the public ones."""


def _find(settings: Settings, reference: str) -> Wanted:
    path, slash, name = reference.rpartition("/")
    place = _folder(path or "/") if slash else _whole(settings, "")
    if not _is_name(name):
        raise ReferenceInvalid(
            "a reference to Infisical is the name of a secret, such as DB_PASSWORD, or "
            "with its folder from the root, such as /app/db/PASSWORD"
        )
    return Wanted(place, name, _canonical(settings, place, name))


def _versioned(settings: Settings, reference: str, version: int) -> Wanted:
    """Return what only one call for that secret alone answers."""
    newest = _find(settings, reference)
    if newest.key in {".", ".."}:
        raise ReferenceInvalid("a secret of that name has no version: leave it out")
    return replace(newest, place=f"{version}@{newest.canonical}")


def _is_name(text: str) -> bool:
    """Tell whether a secret can have that name; most characters may be in one."""
    fits = text.isprintable() and ":" not in text and len(text) <= _MAX_NAME
    return fits and bool(text) and text == text.strip()


def _whole(settings: Settings, path: str) -> str:
    return _folder(path or settings.path)


def _folder(path: str) -> str:
    """Return the one spelling of a folder: another one would get past `spec.access`."""
    climbs = {".", ".."} & set(path.split("/"))
    if not path.startswith("/") or not path.isprintable() or climbs:
        raise ReferenceInvalid(
            "a folder of Infisical is written from the root, such as /app/db"
        )
    return answers.normal(path)


def _canonical(settings: Settings, place: str, key: str) -> str:
    del settings
    return answers.inside(place, key)


def _verify(headers: Headers, body: bytes, secret: bytes, now: float) -> bool:
    """Tell whether Infisical signed a request, not long ago."""
    form = _SIGNATURE.fullmatch(only(headers, "x-infisical-signature"))
    sent, claimed = form.groups() if form else ("0", "")
    return is_signed(claimed, body, secret) and _is_fresh(int(sent), body, now)


def _is_fresh(sent: int, body: bytes, now: float) -> bool:
    """Tell whether a time, in milliseconds, is near, and the one that was signed."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return False
    is_said = isinstance(said, dict) and said.get("timestamp") == sent
    return is_said and abs(now - sent / 1000) <= _FRESH_SECONDS


def _token(settings: Settings) -> Credential:
    if settings.kubernetes_auth:
        return Account.at(settings.kubernetes_auth.service_account_ref, "infisical")
    if settings.client_secret_secret_ref:
        return Kept.at(settings.client_secret_secret_ref)
    raise ConnectionNotReady("spec.infisical names no credential")


PROVIDER = Provider(
    name="infisical",
    field="infisical",
    summary="a folder of Infisical",
    settings=Settings,
    token=_token,
    find=_find,
    versioned=_versioned,
    whole=_whole,
    canonical=_canonical,
    references="the name of a secret (`DB_PASSWORD`), or with its folder from the root "
    "(`/app/db/PASSWORD`)",
    webhook=Webhook(lambda settings: settings.webhook_secret_ref, _verify),
    rules=(
        {
            "rule": "has(self.projectId) != has(self.projectSlug)",
            "message": "names no project, or two: write projectId or projectSlug",
        },
        {
            "rule": "has(self.kubernetesAuth) ? !has(self.clientId) && "
            "!has(self.clientSecretSecretRef) : has(self.clientId) && "
            "has(self.clientSecretSecretRef)",
            "message": "names no credential, or two: write clientId and "
            "clientSecretSecretRef, or kubernetesAuth",
        },
    ),
)


@dataclass(frozen=True, repr=False)
class _Listed(Document):
    """A folder, and when it was last read as a whole."""

    read: float = 0.0


class _Wish(NamedTuple):
    """What a call is to answer."""

    folder: str
    name: str
    """A slash and the name of the one secret, for the path; nothing for all."""

    switches: Mapping[str, str]
    read: Callable[[Answer, str], answers.Read]


def _wish(place: str) -> _Wish:
    version, at, path = place.partition("@")
    if place.startswith("/") or not at:
        return _Wish(place, "", _SWITCHES, answers.listed)
    folder, _, name = path.rpartition("/")
    switches = {**_SWITCHES_ONE, "version": version}
    return _Wish(folder or "/", f"/{quote(name, safe='')}", switches, answers.one)


class _NoRouteError(Exception):
    """The server does not have such a call: it is of another version."""


class _Session:
    """A project and an environment, as one identity."""

    def __init__(self, settings: Settings, login: Login[Shown], server: Server) -> None:
        self._login = login
        self._vault = _http.Vault(
            server.outbound, server.address, server.bundle, _LIMIT
        )
        self._settings = settings
        self._clock = server.clock
        self._project = settings.project_id
        self._finding = asyncio.Lock()
        self._has_version_4 = True

    @property
    def quota(self) -> Quota | None:
        """What the vault said last of its limit on calls; see `Metered`."""
        return self._vault.quota

    async def fetch(self, place: str, known: Document | None) -> Document:
        """Return what is in a folder and what it imports; see `Session`.

        Or one secret in one version, `VERSION@/FOLDER/NAME`.
        """
        began, recent, wish = self._clock(), self._recent(known), _wish(place)
        answer = await self._asked(wish, recent)
        if answer.status == HTTPStatus.NOT_MODIFIED and recent:
            return recent
        if answer.status == HTTPStatus.NOT_FOUND:
            # It may be another project that has the slug now.
            self._project = self._settings.project_id
        answers.check(answer)
        values, origins = wish.read(answer, self._settings.environment)
        return _Listed(values, answer.headers.get("etag"), origins, began)

    async def check(self) -> None:
        """See whether the credential is taken; see `Session`."""
        # A server without that call is an old one; it took the login at least.
        with suppress(_NoRouteError):
            answer = await self._get("/api/v1/projects")
            _http.check(answer, refused=(HTTPStatus.FORBIDDEN,))

    def _recent(self, known: Document | None) -> Document | None:
        """Return what is known, unless it has to be read as a whole again."""
        if not isinstance(known, _Listed):
            return None
        return known if self._clock() < known.read + _WHOLE_SECONDS else None

    async def _asked(self, wish: "_Wish", known: Document | None) -> Answer:
        """Ask for secrets, in the version that the server has."""
        where = {
            "environment": self._settings.environment,
            "secretPath": wish.folder,
            **wish.switches,
        }
        if self._has_version_4:
            with suppress(_NoRouteError):
                return await self._asked_4(wish.name, where, known)
            self._has_version_4 = False
        with suppress(_NoRouteError):
            return await self._asked_3(wish.name, where, known)
        self._has_version_4 = True
        raise _http.unreachable("http-404")

    async def _asked_4(
        self, name: str, where: Mapping[str, str], known: Document | None
    ) -> Answer:
        asked = urlencode({"projectId": await self._project_id(), **where})
        return await self._get(f"/api/v4/secrets{name}?{asked}", known)

    async def _asked_3(
        self, name: str, where: Mapping[str, str], known: Document | None
    ) -> Answer:
        settings = self._settings
        project = {"workspaceSlug": settings.project_slug or ""}
        if settings.project_id:
            project = {"workspaceId": settings.project_id}
        asked = urlencode({**project, **where})
        return await self._get(f"/api/v3/secrets/raw{name}?{asked}", known)

    async def _project_id(self) -> str:
        """Return the id of the project, which version 4 knows by nothing else."""
        async with self._finding:
            if self._project is None:
                slug = self._settings.project_slug
                answer = await self._get(f"/api/v1/projects/slug/{slug}")
                answers.check(answer)
                self._project = answers.parsed(answers.Project, answer).id
            return self._project

    async def _get(self, path: str, known: Document | None = None) -> Answer:
        async def send(token: Shown) -> Answer:
            return await self._vault.get(path, token, known)

        answer = await ask(self._login, send, answers.is_refused)
        if answers.lacks_route(answer):
            raise _NoRouteError
        return answer


def session(
    settings: Settings,
    token: Given,
    outbound: Outbound,
    clock: Callable[[], float] = time.monotonic,
) -> _Session:
    """Return a session as one identity."""
    address = (settings.address or _ADDRESS).rstrip("/")
    server = Server(outbound, address, settings.ca_bundle, clock)
    return _Session(settings, _login(settings, token, server), server)


def _login(settings: Settings, token: Given, server: Server) -> Login[Shown]:
    """Return the login by the one of the two ways that a token was given for."""
    if isinstance(token, Mapping):
        [secret] = token.values()
        return universal(server, settings.client_id or "", _http.word(secret))
    by = settings.kubernetes_auth
    return kubernetes(server, by.identity_id if by else "", token)
