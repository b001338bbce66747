"""A real HTTPS server on loopback, and what it was shown."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.controlplane.certificates import Authority
from tests.running import run
from vaultferry.apiserver.server import ApiServer


@dataclass(frozen=True)
class Asked:
    """A request: who showed what."""

    authorization: str | None
    user: str | None
    """The common name in the certificate of the client."""


@dataclass
class Https:
    """Answers every request with 200, over TLS; it takes client certificates."""

    authority: Authority
    folder: Path
    asked: list[Asked] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    """What the clients called it before they saw its certificate."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve until left; yield the URL."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._context()).start()
        try:
            yield f"https://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    def _context(self) -> ssl.SSLContext:
        pair = self.authority.issue("server", serves=True)
        both = self.folder / "served.pem"
        both.write_text(pair.certificate + pair.key)
        context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cadata=self.authority.certificate
        )
        context.load_cert_chain(both)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        return context

    async def _answer(self, request: web.Request) -> web.Response:
        assert request.transport
        shown = request.transport.get_extra_info("peercert") or {"subject": ()}
        subject = dict(pair for (pair,) in shown["subject"])
        authorization = request.headers.get("Authorization")
        self.asked.append(Asked(authorization, subject.get("commonName")))
        return web.json_response({"metadata": {}})


async def ask(server: ApiServer) -> None:
    """Ask once, as the operator does.

    Raises:
        aiohttp.ClientError: one does not trust the other.
    """
    shown = await server.credentials.authorization()
    headers = {} if shown is None else {"Authorization": shown}
    async with (
        server.session(1, headers=headers) as session,
        session.get(f"{server.url}/version") as answer,
    ):
        assert answer.status == HTTPStatus.OK


def asked(https: Https, reach: Callable[[str], ApiServer]) -> Asked | None:
    """Ask a server by its URL; return what it saw, None where it is not trusted."""

    async def story() -> None:
        async with https.serving() as url:
            with suppress(aiohttp.ClientConnectorCertificateError):
                await ask(reach(url))

    run(story())
    return https.asked[-1] if https.asked else None
