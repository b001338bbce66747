"""A vault on a socket: what is asked is recorded, and faults are done on demand."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.controlplane.certificates import Authority
from tests.faults.exchange import abort
from tests.faults.looped import Looped
from tests.faults.proxy import serving_context
from tests.vaults.faults import Fault
from tests.vaults.message import Answer, Asked
from tests.vaults.record import Entry, kept
from tests.vaults.vault import Vault

HOST = "127.0.0.1"
# What was closed is let go by the loop, in its next rounds.
_CLOSING_SECONDS = 0.05
_NONE = Fault()


class Server:
    """A fake vault on loopback, while the context lasts."""

    def __init__(
        self,
        vault: Vault[Any],
        *,
        port: int = 0,
        https: bool = False,
        latency: float = 0,
    ) -> None:
        self.vault = vault
        self.port = port
        """Where it listens; 0 until it does means any."""

        self.latency = latency
        """Seconds that every answer takes longer."""

        self.record: list[Entry] = []
        """Every request, in the order in which they came."""

        self.shown: dict[str, None] = {}
        """Every token that came, in the order in which they first did."""

        self.faults: list[Fault] = []
        """The first that takes a request is done to it."""

        self.certificate = ""
        """The PEM of the authority that a client has to trust; nothing without TLS."""

        self._context = self._serving_context() if https else None
        self._crashes: list[Exception] = []

    @property
    def url(self) -> str:
        """Where a client finds it."""
        return f"http{'s' if self._context else ''}://{HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.vault.open()
        self._web = web.Server(self._serve, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(self._web, shutdown_timeout=0.1)
        await self._runner.setup()
        await self.listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reset_all()
        await self._runner.cleanup()
        await self.vault.close()
        await asyncio.sleep(_CLOSING_SECONDS)
        if self._crashes and error is None:
            raise self._crashes[0]

    async def listen(self) -> None:
        """Listen, on the same port as before."""
        self._site = web.TCPSite(
            self._runner, HOST, self.port, ssl_context=self._context, reuse_address=True
        )
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    async def refuse(self) -> None:
        """Be down: nobody listens, and what was open is reset."""
        await self._site.stop()
        self._reset_all()

    @contextmanager
    def beside(self) -> Iterator[Self]:
        """Serve from a thread, for a test that has no event loop."""
        looped = Looped()
        with looped.running("fake vault"):
            looped.call(self.__aenter__())
            try:
                yield self
            finally:
                looped.call(self.__aexit__(None, None, None))

    def _serving_context(self) -> ssl.SSLContext:
        authority = Authority("authority of a fake vault")
        self.certificate = authority.certificate
        return serving_context(authority)

    def _reset_all(self) -> None:
        for connection in self._web.connections:
            if connection.transport is not None:
                abort(connection.transport)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        entry = Entry(
            number=len(self.record) + 1,
            at=time.time(),
            method=request.method,
            target=request.raw_path,
            headers=kept(request.headers),
        )
        self.record.append(entry)
        fault = next((each for each in self.faults if each.takes(entry)), _NONE)
        entry.fault = "" if fault is _NONE else fault.name
        asked = _asked(request, await request.read())
        self.shown |= dict.fromkeys(asked.shown)
        await _before(request, fault, self.latency)
        answer = fault.answer(asked.shown) or await self._answer(asked)
        entry.status = answer.status
        return await _send(request, answer, fault)

    async def _answer(self, asked: Asked) -> Answer:
        try:
            return await self.vault.answer(asked)
        except Exception as error:  # noqa: BLE001 - it is raised where the test sees it
            self._crashes.append(error)
            return Answer(599)


def _asked(request: web.BaseRequest, body: bytes) -> Asked:
    path = request.raw_path.partition("?")[0]
    return Asked(request.method, path, request.query, request.headers, body)


async def _before(request: web.BaseRequest, fault: Fault, latency: float) -> None:
    if latency or fault.delay:
        await asyncio.sleep(latency + fault.delay)
    if fault.hang:
        await _hold()
    if fault.reset and fault.cut is None:
        await _end(request, reset=True)


async def _send(
    request: web.BaseRequest, answer: Answer, fault: Fault
) -> web.StreamResponse:
    if isinstance(answer.body, AsyncIterable):
        return await _stream(request, answer, answer.body)
    if fault.cut is not None:
        await _send_part(request, answer, answer.body[: fault.cut])
        await _end(request, reset=fault.reset)
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


async def _stream(
    request: web.BaseRequest, answer: Answer, body: AsyncIterable[bytes]
) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    await response.prepare(request)
    async for piece in body:
        await response.write(piece)
        # Else nobody notices that the client has gone, and all of it is written.
        await asyncio.sleep(0)
    await response.write_eof()
    return response


async def _send_part(request: web.BaseRequest, answer: Answer, part: bytes) -> None:
    assert isinstance(answer.body, bytes)
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(part)


async def _end(request: web.BaseRequest, *, reset: bool) -> None:
    if request.transport is not None:
        if reset:
            abort(request.transport)
        else:
            request.transport.close()
    await _hold()


async def _hold() -> None:
    """Do nothing more until the client goes away."""
    await asyncio.Event().wait()
