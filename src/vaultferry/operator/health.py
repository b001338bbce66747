"""Health and metrics over HTTP: /livez, /readyz, /metrics."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from aiohttp import web

Check = Callable[[], bool]
Checks = Mapping[str, Check]


class Metrics(Protocol):
    """What can be shown at /metrics."""

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        ...


@asynccontextmanager
async def serving(
    port: int, metrics: Metrics, live: Checks, ready: Checks
) -> AsyncIterator[int]:
    """Serve until left; yield the port.

    Args:
        port: where to serve on every address; 0 takes a free port of loopback, as
            one that is free for IPv4 may not be for IPv6.
        metrics: what /metrics shows.
        live: what must hold for /livez.
        ready: what must hold besides for /readyz.
    """
    app = web.Application()
    app.router.add_get("/livez", _answer(live))
    app.router.add_get("/readyz", _answer({**live, **ready}))

    async def text(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), content_type="text/plain")

    app.router.add_get("/metrics", text)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, None if port else "127.0.0.1", port)
    try:
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _answer(
    checks: Checks,
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_: web.Request) -> web.Response:
        failing = sorted(name for name, check in checks.items() if not check())
        if failing:
            return web.Response(status=503, text=f"failing: {', '.join(failing)}\n")
        return web.Response(text="ok\n")

    return handler
