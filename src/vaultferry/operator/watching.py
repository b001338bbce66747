"""The glue to kopf: it carries the watch of VaultSecrets, and nothing else.

kopf's handlers for changes, timers and daemons write annotations, finalizers and the
text of exceptions into objects. Only `on.event` writes nothing.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Protocol

import aiohttp
import kopf

from vaultferry.apiserver.server import ApiServer
from vaultferry.core.model import GROUP, VERSION
from vaultferry.core.urgency import Lane, lane
from vaultferry.core.vaultsecret import PLURAL
from vaultferry.views import Key, VaultSecrets

# Objects of a list that are in memory at a time, here and at the API server.
_PAGE = 500

# kopf remembers credentials that were refused once: only a fresh object is tried.
_LOGIN_MINUTES = 10

# The URL of a server may have a path of its own.
_PATH = re.compile(rf".*/apis/{GROUP}/{VERSION}(?:/namespaces/([^/]+))?/{PLURAL}")


class Answered(Protocol):
    """Is told how a list or watch of VaultSecrets was answered."""

    def __call__(self, scope: str | None, *, well: bool) -> None:
        """Take in that the API server agreed to tell of a scope, or did not."""


class Endless:
    """Delays between retries that never run out: 5xx must not end the process."""

    def __iter__(self) -> Iterator[float]:
        """Yield seconds, rising to half a minute."""
        longest = 1.0
        while True:
            yield longest * random.uniform(0.5, 1.0)
            longest = min(30.0, longest * 2)


class NoDiffBase(kopf.DiffBaseStorage):
    """Keeps kopf from copying a resource into an annotation."""

    def build(
        self, *, body: kopf.Body, extra_fields: object = None, **_: Any
    ) -> kopf.BodyEssence:
        """Find nothing to compare."""
        del body, extra_fields
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> None:
        """Find nothing stored."""
        del body

    def store(self, **_: Any) -> None:
        """Store nothing."""


class NoProgress(kopf.ProgressStorage):
    """Keeps kopf from noting its handlers' state in annotations or status."""

    def fetch(self, **_: Any) -> None:
        """Find nothing stored."""

    def store(self, **_: Any) -> None:
        """Store nothing."""

    def purge(self, **_: Any) -> None:
        """Take nothing away."""

    def touch(self, **_: Any) -> None:
        """Touch nothing."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """Have nothing to clear."""
        return essence


def registry(
    server: ApiServer,
    vaultsecrets: VaultSecrets,
    wake: Callable[[Key, Lane], None],
    answered: Answered,
) -> kopf.OperatorRegistry:
    """Return kopf's handlers: a login, and what keeps the view current."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return await session(server, answered)

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers)
    async def seen(event: Mapping[str, Any], **_: Any) -> None:
        body = event["object"]
        key = Key.of(body)
        if event["type"] == "DELETED":
            for each in (key, *vaultsecrets.drop(key, body["metadata"]["uid"])):
                wake(each, Lane.URGENT)
        elif vaultsecrets.put(body):
            wake(key, lane(body, listed=event["type"] is None))

    return handlers


def settings() -> kopf.OperatorSettings:
    """Return kopf's settings.

    The first list is not streamed: where that breaks off, kopf goes on from the
    resourceVersion of the last object, and objects come in the order of their names.
    """
    kopf_settings = kopf.OperatorSettings()
    kopf_settings.persistence.diffbase_storage = NoDiffBase()
    kopf_settings.persistence.progress_storage = NoProgress()
    kopf_settings.persistence.finalizer = f"{GROUP}/never-set"
    # Else the process is killed ten minutes after kopf ended for whatever reason.
    kopf_settings.process.ultimate_exiting_timeout = None
    kopf_settings.posting.enabled = False
    kopf_settings.peering.standalone = True
    kopf_settings.scanning.disabled = True
    kopf_settings.queueing.idle_timeout = 1.0
    kopf_settings.watching.chunk_size = _PAGE
    kopf_settings.watching.server_timeout = 600
    kopf_settings.networking.request_timeout = 30
    kopf_settings.networking.connect_timeout = 5
    kopf_settings.networking.error_backoffs = Endless()
    return kopf_settings


async def session(server: ApiServer, answered: Answered) -> kopf.AiohttpSession:
    """Return a session for kopf that tells how it is answered: kopf only logs it."""
    shown = await server.credentials.authorization()
    trace = aiohttp.TraceConfig()

    async def ended(_client: Any, _context: Any, what: Any) -> None:
        status = what.response.status
        if status == HTTPStatus.UNAUTHORIZED:
            server.credentials.refused(shown)
        if of_ours := _PATH.fullmatch(what.url.path):
            answered(of_ours[1], well=status < HTTPStatus.BAD_REQUEST)

    trace.on_request_end.append(ended)
    return kopf.AiohttpSession(
        aiohttp_session=server.session(
            0,
            headers={} if shown is None else {"Authorization": shown},
            trace_configs=[trace],
        ),
        server=server.url,
        expiration=datetime.now(UTC) + timedelta(minutes=_LOGIN_MINUTES),
    )
