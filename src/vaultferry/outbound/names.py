"""The addresses of names: looked up apart from all other work, and checked."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from aiohttp.abc import AbstractResolver, ResolveResult

from vaultferry.core.addresses import Exceptions, Url, check_address

Resolve = Callable[[str], Awaitable[Sequence[str]]]

_THREADS = 16


class Names:
    """The resolver of the machine.

    A lookup cannot be ended, and takes minutes where a tenant's name server is silent.
    So lookups have threads of their own, and a name has one at a time, whoever asks.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="names")
        self._asked: dict[str, asyncio.Future[list[str]]] = {}

    async def addresses(self, host: str) -> list[str]:
        """Return the addresses of a name as texts; raises OSError if it has none."""
        asked = self._asked.get(host)
        if asked is None:
            loop = asyncio.get_running_loop()
            asked = loop.run_in_executor(self._threads, _addresses, host)
            self._asked[host] = asked
            asked.add_done_callback(lambda done: self._ended(host, done))
        return await asyncio.shield(asked)

    def close(self) -> None:
        """Begin no lookup any more, and wait for none."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ended(self, host: str, asked: "asyncio.Future[list[str]]") -> None:
        del self._asked[host]
        if not asked.cancelled():
            asked.exception()  # Whoever asked may be gone, and asyncio would log it.


class Resolver(AbstractResolver):
    """Resolves names, to addresses that were checked; asked anew for each connection.

    All addresses of a name must be allowed: which one is taken is not for us to say.
    """

    def __init__(
        self, resolve: Resolve, scheme: str = "", exceptions: Exceptions | None = None
    ) -> None:
        self._resolve = resolve
        self._scheme = scheme
        self._exceptions = exceptions

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AddressFamily.AF_UNSPEC,
    ) -> list[ResolveResult]:
        """Return addresses that may all be connected to.

        Raises:
            AddressRefused: one may not.
            OSError: there are none.
        """
        found = [ip_address(text) for text in await self._resolve(host)]
        if not found:
            raise OSError
        if self._exceptions is not None:
            for ip in found:
                url = Url(self._scheme, host, port, "")
                check_address(ip, url, self._exceptions)
        return [
            ResolveResult(
                hostname=host, host=str(ip), port=port, family=family, proto=0, flags=0
            )
            for ip in found
        ]

    async def close(self) -> None:
        """Do nothing: it holds nothing."""


def _addresses(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
