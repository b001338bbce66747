"""The proxy: TLS on both sides, every request numbered, and rules for what is done.

It runs in a thread of its own beside the test, and knows nothing of Kubernetes.
"""

import asyncio
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from tests.controlplane.certificates import Authority
from tests.faults import faults
from tests.faults.exchange import Exchange, Gone, abort
from tests.faults.looped import Looped
from tests.faults.record import Entry
from tests.faults.rules import Matches, Rule

T = TypeVar("T")

# What was closed is let go by the loop, in its next rounds.
_CLOSING_SECONDS = 0.2
_HOST = "127.0.0.1"


class Proxy:
    """A proxy before one server. Its methods are for the thread of the test."""

    def __init__(self, server: str, authority: str) -> None:
        self.record: list[Entry] = []
        """Every request, in the order in which they came."""

        self.rules: list[Rule] = []
        """The first that takes a request decides what is done to it."""

        self.certificate = ""
        """The PEM of the authority that a client has to trust."""

        self._server = server
        self._context = ssl.create_default_context(cadata=authority)
        self._looped = Looped()
        self._open: set[Exchange] = set()
        self._port = 0

    @property
    def url(self) -> str:
        """Where a client finds it."""
        return f"https://{_HOST}:{self._port}"

    @contextmanager
    def serving(self) -> Iterator["Proxy"]:
        """Serve until left."""
        with self._looped.running("fault proxy"):
            self.call(self._start())
            try:
                yield self
            finally:
                self.call(self._stop())

    @contextmanager
    def doing(self, *rules: Rule) -> Iterator[None]:
        """Have rules meanwhile, before those that are there."""
        self.rules[:0] = rules
        try:
            yield
        finally:
            self.rules = [rule for rule in self.rules if rule not in rules]

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Be a server that is down: nobody listens, what was open is reset."""
        self.call(self._refuse())
        try:
            yield
        finally:
            self.call(self._listen())

    def strike(
        self, matches: Matches, act: Callable[[Exchange], Awaitable[object]]
    ) -> int:
        """Do something to answers that are being sent; return to how many."""
        return self.call(self._strike(matches, act))

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the proxy's loop; return what it returns."""
        return self._looped.call(coroutine)

    async def _start(self) -> None:
        authority = Authority("authority of the fault proxy")
        self.certificate = authority.certificate
        self._own = serving_context(authority)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._context, limit=0),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        self._web = web.Server(self._serve, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(self._web, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()

    async def _listen(self) -> None:
        self._site = web.TCPSite(
            self._runner, _HOST, self._port, ssl_context=self._own, reuse_address=True
        )
        await self._site.start()
        # The same port after `refusing`: the client knows no other.
        self._port = self._runner.addresses[0][1]

    async def _refuse(self) -> None:
        await self._site.stop()
        self._reset_all()

    async def _stop(self) -> None:
        self._reset_all()
        await self._runner.cleanup()
        await self._session.close()
        await asyncio.sleep(_CLOSING_SECONDS)

    def _reset_all(self) -> None:
        for connection in self._web.connections:
            if connection.transport is not None:
                abort(connection.transport)

    async def _strike(
        self, matches: Matches, act: Callable[[Exchange], Awaitable[object]]
    ) -> int:
        struck = [e for e in self._open if e.has_begun and matches(e.entry)]
        for exchange in struck:
            await act(exchange)
        return len(struck)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        entry = Entry(len(self.record) + 1, request.method, request.raw_path)
        self.record.append(entry)
        rule = next((rule for rule in self.rules if rule.takes(entry)), None)
        entry.fault = rule.name if rule else ""
        exchange = Exchange(entry, request, self._session, self._server)
        self._open.add(exchange)
        try:
            await (rule.fault if rule else faults.passed)(exchange)
        except Gone:
            # What the server does to us is done to the client.
            await exchange.reset()
        except ConnectionError:
            await exchange.hold()
        finally:
            self._open.discard(exchange)
            exchange.dismiss()
        return exchange.response


def serving_context(authority: Authority) -> ssl.SSLContext:
    """Return what it takes to serve on this machine."""
    pair = authority.issue("fault proxy", serves=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as folder:
        # Python reads certificates from files only.
        path = Path(folder) / "pair.pem"
        path.write_text(pair.certificate + pair.key)
        context.load_cert_chain(path)
    return context
