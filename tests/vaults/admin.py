"""Orders to a fake vault in another process, on a port of its own, always http."""

import dataclasses
import json
from collections.abc import Awaitable, Callable

from aiohttp import web
from pydantic import TypeAdapter

from tests.vaults.faults import Fault
from tests.vaults.server import HOST, Server

_FAULTS = TypeAdapter(list[Fault])


class Admin:
    """Takes the orders."""

    def __init__(self, server: Server, port: int = 0) -> None:
        self._server = server
        self.port = port

    async def start(self) -> None:
        """Listen until the process ends."""
        app = web.Application(client_max_size=256 * 2**20)
        orders: dict[tuple[str, str], Callable[[bytes], Awaitable[str]]] = {
            ("PUT", "state"): self._state,
            ("PUT", "faults"): self._faults,
            ("PUT", "clock"): self._clock,
            ("PUT", "latency"): self._latency,
            ("PUT", "listening"): self._listening,
            ("GET", "requests"): self._requests,
            ("DELETE", "requests"): self._forget,
            ("GET", "shown"): self._shown,
        }
        for (method, name), order in orders.items():
            app.router.add_route(method, f"/_fake/{name}", _handled(order))
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, HOST, self.port).start()
        self.port = runner.addresses[0][1]

    async def _state(self, body: bytes) -> str:
        self._server.vault.load(body)
        return "{}"

    async def _faults(self, body: bytes) -> str:
        self._server.faults = _FAULTS.validate_json(body)
        return "{}"

    async def _clock(self, body: bytes) -> str:
        self._server.vault.ahead = float(body)
        return "{}"

    async def _latency(self, body: bytes) -> str:
        self._server.latency = float(body)
        return "{}"

    async def _listening(self, body: bytes) -> str:
        await (self._server.listen() if json.loads(body) else self._server.refuse())
        return "{}"

    async def _requests(self, _: bytes) -> str:
        return json.dumps([dataclasses.asdict(each) for each in self._server.record])

    async def _forget(self, _: bytes) -> str:
        self._server.record.clear()
        return "{}"

    async def _shown(self, _: bytes) -> str:
        return json.dumps([*self._server.shown])


def _handled(
    order: Callable[[bytes], Awaitable[str]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        try:
            said = await order(await request.read())
        except ValueError as error:
            # Pydantic says where, and not what was there.
            return web.Response(status=400, text=str(error))
        return web.Response(text=said, content_type="application/json")

    return handler
