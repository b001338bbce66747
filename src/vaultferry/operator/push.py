"""Serves what vaults call when something changed: webhooks, at a port of its own.

A request says which connection to look at, and is believed in nothing else. What is
refused is told apart by nobody outside; nothing of a request is logged.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from vaultferry.core.model import is_name
from vaultferry.core.ratelimit import RateLimit
from vaultferry.core.signing import Headers
from vaultferry.views import Key

log = structlog.get_logger()

# Doppler tells the names that changed, of up to 1,200 secrets.
MAX_BODY = 256 * 1024
MAX_CONNECTIONS = 64
HEAD_SECONDS = 10.0
BODY_SECONDS = 5.0
RETRY_SECONDS = 30.0

# Of a connection, and of all: more than any vault tells, less than is felt.
BURST, EACH_SECONDS = 32, 0.25
_ALL_BURST, _ALL_SECONDS = 256, 1 / 128
# What is asked for is counted in so many parts, connection or not: a list of what
# strangers ask for has no end, and one of ours would tell what there is.
_PARTS = 1024

_STATUS = {"taken": 202, "refused": 404, "limited": 429, "malformed": 400}
_ENDING_SECONDS = 1.0

Verify = Callable[[Key, Headers, bytes, float], bool]


class Webhooks:
    """Answers what claims to be a webhook."""

    def __init__(
        self,
        verify: Verify,
        push: Callable[[Key], None],
        count: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            verify: tells whether a request is a webhook of a connection.
            push: is told of a connection whose vault says that something changed.
            count: is told of each answer, in one word.
            clock: seconds that only grow.
        """
        self._verify = verify
        self._push = push
        self._count = count
        self._clock = clock
        self._limit = RateLimit(BURST, EACH_SECONDS, _PARTS)
        self._limit_of_all = RateLimit(_ALL_BURST, _ALL_SECONDS, 1)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer a request, and end its connection."""
        try:
            result = await self._result(request)
        except Exception:  # noqa: BLE001 - its text may quote the request
            result = "malformed"
        self._count(result)
        response = web.Response(status=_STATUS[result])
        response.force_close()
        return response

    async def _result(self, request: web.BaseRequest) -> str:
        key = _key(request.rel_url.raw_path)
        if key is None or request.method != "POST":
            return "refused"
        if not self._may(key):
            return "limited"
        async with asyncio.timeout(BODY_SECONDS):
            body = await _body(request)
        if body is None:
            return "malformed"
        given = request.headers
        headers = {name.lower(): given.getall(name) for name in given}
        if not self._verify(key, headers, body, time.time()):
            return "refused"
        self._push(key)
        return "taken"

    def _may(self, key: Key) -> bool:
        """Tell whether a request is looked at: before anything is read or reckoned."""
        now, part = self._clock(), hash(key) % _PARTS
        return self._limit.take(part, now) and self._limit_of_all.take(None, now)


async def take(port: int | None, webhooks: Webhooks) -> None:
    """Take webhooks until cancelled: for as long as this replica leads.

    Args:
        port: where, as soon as it is to be had; None: take none.
        webhooks: answers.
    """
    while port is not None:
        try:
            async with serving(port, webhooks):
                await asyncio.Event().wait()
        except OSError as error:
            # The rest of the operator does without.
            log.warning("no port for webhooks", push_port=port, number=error.errno)
        await asyncio.sleep(RETRY_SECONDS)


@asynccontextmanager
async def serving(port: int, webhooks: Webhooks) -> AsyncIterator[int]:
    """Serve until left; yield the port.

    Args:
        port: where, on every address; 0 takes a free port of loopback.
        webhooks: answers.
    """
    # What it says of a malformed request quotes that.
    silent = logging.getLogger("vaultferry.push")
    silent.disabled = True
    server = web.Server(
        webhooks.answer,
        access_log=None,
        logger=silent,
        # Who has not asked by then is not waited for, nor is what is left of a body.
        keepalive_timeout=HEAD_SECONDS,
        lingering_time=0,
        # Nothing small unpacks to something large.
        auto_decompress=False,
    )

    def admitted() -> asyncio.Protocol:
        is_full = len(server.connections) >= MAX_CONNECTIONS
        return _TurnedAway() if is_full else server()

    host = None if port else "127.0.0.1"
    listening = await asyncio.get_running_loop().create_server(admitted, host, port)
    try:
        served: int = listening.sockets[0].getsockname()[1]
        log.info("taking webhooks", push_port=served)
        yield served
    finally:
        listening.close()
        await server.shutdown(_ENDING_SECONDS)


class _TurnedAway(asyncio.Protocol):
    """A connection that is one too many: others of the process need room as well."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """End it at once."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for mypy
        transport.abort()


def _key(path: str) -> Key | None:
    """Return the connection that a path names: `/push/NAMESPACE/NAME`."""
    parts = path.partition("?")[0].split("/")
    if len(parts) != 4 or parts[:2] != ["", "push"]:  # noqa: PLR2004 - as it says
        return None
    return Key(*parts[2:]) if all(map(is_name, parts[2:])) else None


async def _body(request: web.BaseRequest) -> bytes | None:
    """Return a body; None where it is too long."""
    if (request.content_length or 0) > MAX_BODY:
        return None
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)
