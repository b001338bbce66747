"""Serves reviews over TLS, at a path that only the API server is told."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from ssl import SSLContext

import structlog
from aiohttp import web

from vaultferry.core.admission import Body, Malformed
from vaultferry.operator import clock
from vaultferry.webhook.metrics import Metrics

log = structlog.get_logger()

MAX_BODY = 8 * 1024 * 1024
"""The API server takes 3 MiB of an object, and sends the old one beside it."""

# The API server waits 5 s.
_BODY_SECONDS = 5
_AT_ONCE = 4

Answer = Callable[[bytes], Awaitable[Body]]


class Handler:
    """Answers HTTP requests, with one and the same words to all that are forged."""

    def __init__(self, paths: Sequence[str], answer: Answer, metrics: Metrics) -> None:
        self._paths = [path.encode() for path in paths]
        self._answer = answer
        self._metrics = metrics
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request; whoever does not know the path is told nothing."""
        if not self._is_ours(request.rel_url.raw_path) or request.method != "POST":
            self._metrics.answered("stranger")
            refusal = web.Response(status=404)
            # Nor is its body read.
            refusal.force_close()
            return refusal
        began = clock.seconds()
        try:
            async with self._slots:
                response = await self._reviewed(request)
        finally:
            self._metrics.took(clock.seconds() - began)
        return response

    async def _reviewed(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                text = await request.read()
            answer = await self._answer(text)
        except (Malformed, web.HTTPRequestEntityTooLarge):
            return self._failed("malformed", 400)
        except Exception:
            # Its text may quote a value, and the log shows none.
            log.exception("review failed")
            return self._failed("failed", 500)
        return web.Response(
            body=json.dumps(answer).encode(), content_type="application/json"
        )

    def _failed(self, result: str, status: int) -> web.Response:
        self._metrics.answered(result)
        return web.Response(status=status, text=f"{result}\n")

    def _is_ours(self, path: str) -> bool:
        """Compare with every path, in a time that does not depend on what is equal."""
        asked = path.encode(errors="replace")
        return sum(hmac.compare_digest(asked, known) for known in self._paths) > 0


@asynccontextmanager
async def serving(
    port: int, context: SSLContext, handler: Handler
) -> AsyncIterator[int]:
    """Serve until left; yield the port.

    Args:
        port: where, on every address; 0 takes a free port of loopback.
        context: of TLS.
        handler: answers.
    """
    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_route("*", "/{path:.*}", handler.handle)
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=_BODY_SECONDS,
        # What a stranger still sends is not waited for.
        lingering_time=0,
        # Nothing small unpacks to something large.
        auto_decompress=False,
    )
    await runner.setup()
    host = None if port else "127.0.0.1"
    site = web.TCPSite(runner, host, port, ssl_context=context)
    try:
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
