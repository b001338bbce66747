"""A proxy that leads every tunnel to one server, whatever host is asked for."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

from tests.faults.looped import Looped

_HOST = "127.0.0.1"
_MOST = 2**16


@dataclass
class Tunnel:
    """Where it is, and what it was asked for."""

    to: int
    """The port of the server, on loopback."""

    port: int = 0
    hosts: list[str] = field(default_factory=list)
    """The hosts to which tunnels were asked for."""

    others: list[str] = field(default_factory=list)
    """The heads of the requests that asked for none, and were refused."""

    @property
    def url(self) -> str:
        """Where a client finds it."""
        return f"http://{_HOST}:{self.port}"

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Lead one connection on; refuse what is no tunnel."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.splitlines()[0].split(" ")
        if method != "CONNECT":
            self.others.append(head)
            writer.write(b"HTTP/1.1 403 no tunnel\r\nContent-Length: 0\r\n\r\n")
            return
        self.hosts.append(target)
        writer.write(b"HTTP/1.1 200 tunnel\r\n\r\n")
        there = await asyncio.open_connection(_HOST, self.to)
        async with _closing(there[1]):
            await asyncio.gather(_copied(reader, there[1]), _copied(there[0], writer))


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(_MOST):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def tunnelling(to: int) -> AsyncIterator[Tunnel]:
    """Serve meanwhile."""
    tunnel = Tunnel(to)
    under_way: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        under_way.add(task)
        with suppress(asyncio.IncompleteReadError, asyncio.CancelledError):
            async with _closing(writer):
                await tunnel.serve(reader, writer)
        under_way.discard(task)

    server = await asyncio.start_server(serve, _HOST)
    tunnel.port = server.sockets[0].getsockname()[1]
    try:
        yield tunnel
    finally:
        server.close()
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way)


@contextmanager
def tunnelling_beside(to: int) -> Iterator[Tunnel]:
    """Serve from a thread, for a test that has no event loop."""
    looped = Looped()
    with looped.running("tunnel"):
        context = tunnelling(to)
        tunnel = looped.call(context.__aenter__())
        try:
            yield tunnel
        finally:
            looped.call(context.__aexit__(None, None, None))
