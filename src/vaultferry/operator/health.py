"""Health and metrics over HTTP: /livez, /readyz, /metrics."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from vaultferry.operator.metrics import Metrics

Check = Callable[[], bool]
Checks = Mapping[str, Check]


@asynccontextmanager
async def serving(
    port: int, metrics: Metrics, live: Checks, ready: Checks
) -> AsyncIterator[int]:
    """Serve until left; yield the port, which is a free one if 0 was asked for."""
    app = web.Application()
    app.router.add_get("/livez", _answer(live))
    app.router.add_get("/readyz", _answer({**live, **ready}))

    async def text(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), content_type="text/plain")

    app.router.add_get("/metrics", text)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, port=port)
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
