"""One request at the proxy: what can be done to it, byte by byte."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from tests.faults.record import Entry

_HOP = {"connection", "keep-alive", "transfer-encoding", "host"}
# With this, a close sends RST at once instead of FIN.
_LINGER_NOT = struct.pack("ii", 1, 0)
# A pause between pieces, so that each is a packet of its own.
_PIECE_SECONDS = 0.001


@dataclass(frozen=True, repr=False)
class Answer:
    """What a client is told; without a `repr`, because it may hold values."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Gone(Exception):
    """The server ended the connection without an answer."""


class Exchange:
    """A request, its client on one side and its server on the other."""

    def __init__(
        self,
        entry: Entry,
        request: web.BaseRequest,
        server: aiohttp.ClientSession,
        url: str,
    ) -> None:
        self.entry = entry
        self.cut: int | None = None
        """How many bytes of the body the client gets before the connection ends."""

        self.piece: int | None = None
        """Into packets of how many bytes the body is parted."""

        self.retell: Callable[[bytes], list[bytes]] = lambda line: [line]
        """What the client is told, and in which order, in place of a line."""

        self._withheld: list[bytes] = []
        self._withholds: Callable[[bytes], bool] | None = None
        self._request = request
        self._server = server
        self._url = url
        self._response: web.StreamResponse | None = None
        self._answer: aiohttp.ClientResponse | None = None
        self._sent = 0

    @property
    def response(self) -> web.StreamResponse:
        """What was answered."""
        assert self._response is not None
        return self._response

    @property
    def accept(self) -> str:
        """In which form the client wants the answer."""
        return self._request.headers.get("Accept", "")

    @property
    def has_begun(self) -> bool:
        """Whether the client has the head of an answer, and reads on."""
        return self._response is not None

    async def ask(self) -> aiohttp.ClientResponse:
        """Hand the request to the server; return its answer, the body unread.

        Raises:
            Gone: there was none.
        """
        headers = _kept(self._request.headers)
        body = await self._request.content.read()
        url = URL(self._url + self.entry.target, encoded=True)
        try:
            answer = await self._server.request(
                self.entry.method,
                url,
                headers=headers,
                data=body or None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError):
            raise Gone from None
        self.entry.status = answer.status
        self._answer = answer
        return answer

    async def relay(self) -> None:
        """Hand the request on, and the answer back as it comes."""
        answer = await self.ask()
        await self.begin(answer.status, _kept(answer.headers))
        async for line in _lines(answer.content):
            await self._line(line)
        await self.end()

    async def answer(self, answer: Answer) -> None:
        """Answer instead of the server."""
        length = {"Content-Length": str(len(answer.body))}
        await self.begin(answer.status, {**answer.headers, **length})
        await self.send(answer.body)
        await self.end()

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head of an answer."""
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(self._request)
        self._response = response

    async def send(self, data: bytes) -> None:
        """Send a part of the body, cut or parted as is wished."""
        left = len(data) if self.cut is None else max(0, self.cut - self._sent)
        for piece in _pieces(data[:left], self.piece):
            await self._write(piece)
        if left < len(data):
            await self.close()

    async def end(self) -> None:
        """End an answer in the ordinary way."""
        await self.response.write_eof()

    def dismiss(self) -> None:
        """Let go of the server's answer, read or not."""
        if self._answer is not None:
            self._answer.close()

    def withhold(self, which: Callable[[bytes], bool]) -> None:
        """Keep back from now on the lines that are meant."""
        self._withholds = which

    async def release(self) -> None:
        """Send what was kept back, and keep nothing back any more."""
        self._withholds = None
        lines, self._withheld = self._withheld, []
        for line in lines:
            await self.send(line)

    async def close(self) -> None:
        """End the connection in the middle, politely."""
        self.shut()
        await self.hold()

    async def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.abort()
        await self.hold()

    def shut(self) -> None:
        """Send what is left to send, and FIN; aiohttp ends what runs."""
        if self._request.transport is not None:
            self._request.transport.close()

    def abort(self) -> None:
        """Send a TCP reset; aiohttp ends what runs."""
        if self._request.transport is not None:
            abort(self._request.transport)

    async def hold(self) -> None:
        """Do nothing more until the client goes away."""
        await asyncio.Event().wait()

    async def _line(self, line: bytes) -> None:
        if self._withholds is not None and self._withholds(line):
            self._withheld.append(line)
            return
        for each in self.retell(line):
            await self.send(each)

    async def _write(self, piece: bytes) -> None:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            await self.hold()
        await self.response.write(piece)
        self._sent += len(piece)
        if self.piece is not None:
            await asyncio.sleep(_PIECE_SECONDS)


def abort(transport: asyncio.BaseTransport) -> None:
    """End a connection with a TCP reset."""
    endpoint = transport.get_extra_info("socket")
    if endpoint is not None:
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    assert isinstance(transport, asyncio.Transport)
    transport.abort()


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield whole lines, however long, and at last what has no end of line.

    Raises:
        Gone: the server broke off.
    """
    rest = b""
    try:
        async for data in content.iter_any():
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line + b"\n"
    except aiohttp.ClientError:
        raise Gone from None
    if rest:
        yield rest


def _kept(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Return the headers that are for the other end, rather than for the next hop."""
    return CIMultiDict((k, v) for k, v in headers.items() if k.lower() not in _HOP)


def _pieces(data: bytes, size: int | None) -> list[bytes]:
    if size is None:
        return [data] if data else []
    return [data[at : at + size] for at in range(0, len(data), size)]
