"""A wire between one operator and the API server, which can be cut."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from tests.controlplane import ControlPlane
from tests.controlplane.kubeconfig import read

_CHUNK = 65536


class Wire:
    """Passes bytes on, from a port of its own, until it is cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._whole = True
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def start(self) -> None:
        """Take a port and begin to pass bytes on."""
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(
            self._listen(), self._loop
        ).result()

    def cut(self) -> None:
        """Break every connection, and end each new one at once."""
        self._loop.call_soon_threadsafe(self._cut)

    def mend(self) -> None:
        """Pass on what comes from now on."""
        self._whole = True

    def stop(self) -> None:
        """Break everything and let the port go."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def _cut(self) -> None:
        self._whole = False
        for writer in self._open:
            writer.transport.abort()

    async def _end(self) -> None:
        self._cut()
        assert self._server is not None
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._open.add(writer)
        try:
            if self._whole:
                await self._join(reader, writer)
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _join(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            there, back = await asyncio.open_connection(*self._target)
            self._open.add(back)
            try:
                await asyncio.gather(_pass(reader, back), _pass(there, writer))
            finally:
                self._open.discard(back)
                back.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    raise ConnectionError


@contextmanager
def wired(plane: ControlPlane, kubeconfig: Path, own: Path) -> Iterator[Wire]:
    """Have a kubeconfig lead over a wire; write it to a path of its own."""
    access = read(kubeconfig)
    server = urlsplit(plane.server)
    assert server.hostname is not None
    assert server.port is not None
    wire = Wire(server.hostname, server.port)
    wire.start()
    over = {**access.cluster, "server": f"https://127.0.0.1:{wire.port}"}
    replace(access, cluster=over).write(own)
    try:
        yield wire
    finally:
        wire.stop()
