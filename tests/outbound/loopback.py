"""Servers on loopback that say what a test wants, and names that lead to them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field

from vaultferry.core.addresses import Exceptions
from vaultferry.outbound import Answer, Outbound, Unreachable

GOOD = "127.0.0.2"
"""Stands for the public addresses: the only one that the exceptions open."""

BAD = "127.0.0.1"
NAME = "vault.example.com"
LIMIT = 1000

Answers = dict[str, list[Sequence[str]]]
"""What a resolver says of each name: its addresses, at each time that it is asked."""

Say = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Listener:
    """A server, with what was asked of it."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)


@dataclass
class Names:
    """Resolves names: each to its answers in turn, of which the last one stays."""

    answers: Answers
    asked: list[str] = field(default_factory=list)

    async def resolve(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        turns = self.answers.get(host, [[]])
        return turns.pop(0) if len(turns) > 1 else turns[0]


@asynccontextmanager
async def listening(
    say: Say | bytes,
    host: str = GOOD,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Listener]:
    """Serve on an address: with a function, or with these bytes to each request."""
    listener = Listener()
    tasks: list[asyncio.Task[None]] = []

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener.connections += 1
        tasks.append(asyncio.ensure_future(_served(listener, say, reader, writer)))

    server = await asyncio.start_server(begin, host, port, ssl=tls)
    try:
        listener.port = server.sockets[0].getsockname()[1]
        yield listener
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _served(
    listener: Listener,
    say: Say | bytes,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    with suppress(OSError, asyncio.IncompleteReadError), closing(writer):
        while not writer.is_closing():
            listener.requests.append(await reader.readuntil(b"\r\n\r\n"))
            if isinstance(say, bytes):
                writer.write(say)
                await writer.drain()
            else:
                await say(reader, writer)
                writer.close()


@asynccontextmanager
async def outbound(
    *exceptions: str,
    proxy: str | None = None,
    clock: Callable[[], float] = lambda: 0.0,
    answers: Answers | None = None,
) -> AsyncIterator[Outbound]:
    """Yield one that may reach `GOOD`, and what else the exceptions say.

    `NAME` leads there, if there are no other answers for it.
    """
    texts = [f"http://{GOOD}:*", f"https://{GOOD}:*", *exceptions]
    usual: Answers = {NAME: [[GOOD]]}
    names = Names(usual | (answers or {}))
    made = Outbound(Exceptions.parse(texts), proxy, resolve=names.resolve, clock=clock)
    try:
        yield made
    finally:
        await made.close()


async def ask(
    made: Outbound,
    url: str,
    *,
    ca: bytes | None = None,
    body: bytes | None = None,
    seconds: float = 5,
) -> Answer:
    """Ask with what is the same in most tests."""
    return await made.request(
        "GET" if body is None else "POST",
        url,
        headers={"Authorization": "Bearer canary-token"},
        body=body,
        ca=ca,
        limit=LIMIT,
        seconds=seconds,
    )


async def refused(
    made: Outbound,
    url: str,
    *,
    ca: bytes | None = None,
    body: bytes | None = None,
    seconds: float = 5,
) -> str:
    """Ask, and return the detail of why there is no answer."""
    try:
        await ask(made, url, ca=ca, body=body, seconds=seconds)
    except Unreachable as error:
        return error.detail
    raise AssertionError("there is an answer")


def answer(body: bytes = b"", status: str = "200 OK", *headers: str) -> bytes:
    """Return an answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body
