"""One call to an external vault: to checked addresses, bounded, and silent.

Nothing here is logged, and no text of a library or of a server leaves but in an Answer.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from vaultferry.core.addresses import AddressRefused, Exceptions, check_url
from vaultferry.outbound.attempts import Attempts
from vaultferry.outbound.names import Names, Resolve, Resolver
from vaultferry.outbound.sessions import Key, Sessions
from vaultferry.outbound.unreachable import EXPECTED, Unreachable, detail_of

_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 15.0

_QUERY = re.compile(r"(?:[-A-Za-z0-9._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*")
_PROXY = re.compile(r"http://(?:[^\s/@?#]+@)?[^\s/@?#]+/?")


@dataclass(frozen=True, repr=False)
class Answer:
    """What a vault answered, of any status; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, repr=False)
class Stream:
    """An answer that goes on; `lines` are without their ends."""

    status: int
    headers: Mapping[str, str]
    lines: AsyncIterator[bytes]


class Outbound:
    """The connections of the process to external vaults; made once, in its loop.

    Where there is a proxy, all goes through it, and it resolves the names: the tables
    of addresses then hold for URLs with an IP address only, and the proxy must itself
    refuse to connect to addresses that are not public. An `https` URL is tunnelled
    through it and checked as without it.
    """

    def __init__(
        self,
        exceptions: Exceptions,
        proxy: str | None = None,
        *,
        resolve: Resolve | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open nothing yet.

        Args:
            exceptions: what may be reached besides https and public addresses.
            proxy: `http://[USER:PASSWORD@]HOST:PORT`, the operator's own, not checked.
            resolve: returns the addresses of a name; default: the machine's resolver.
            clock: seconds, for closing what is no longer used.

        Raises:
            ValueError: the proxy is none; the text does not hold it.
        """
        if proxy is not None and not _PROXY.fullmatch(proxy):
            raise ValueError("the proxy is no URL: write http://HOST:PORT")
        self._exceptions = exceptions
        self._proxy = proxy
        self._names = Names()
        self._resolve = resolve or self._names.addresses
        self._sessions = Sessions(self._resolver, clock)

    def excepts(self, address: str) -> bool:
        """Tell whether an exception names an address, for who connects by itself.

        One for a network does for an IP address only: what a name resolves to there
        is not seen here.
        """
        try:
            url = check_url(address, self._exceptions, by_proxy=True)
        except AddressRefused:
            return False
        if url.literal is None:
            return self._exceptions.open_name(url, resolved=False)
        return self._exceptions.open_address(url, url.literal)

    async def close(self) -> None:
        """Close all connections."""
        await self._sessions.close()
        self._names.close()

    async def request(  # noqa: PLR0913 - all of it is said by name
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        ca: bytes | None,
        limit: int,
        seconds: float,
    ) -> Answer:
        """Ask once, and read the whole answer.

        A redirect is an answer, and is not followed.

        Args:
            method: of HTTP.
            url: may have a query, is sent as it stands.
            headers: of the request.
            body: of the request.
            ca: the certificates (PEM) to trust instead of the machine's.
            limit: the longest body of an answer, in bytes.
            seconds: how long all of it may take.

        Raises:
            Unreachable: there is no answer of that size in that time.
        """
        try:
            async with asyncio.timeout(seconds), AsyncExitStack() as stack:
                asked = _Asked(method, url, headers, body, ca, _SILENCE_SECONDS)
                response = await self._response(stack, asked)
                return await _whole(response, method, limit)
        except EXPECTED as error:
            detail = detail_of(error)
        raise Unreachable(detail)  # Out there: nothing of the error stays behind it.

    @asynccontextmanager
    async def stream(  # noqa: PLR0913 - all of it is said by name
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        ca: bytes | None,
        limit: int,
        seconds: float,
        silence: float,
    ) -> AsyncGenerator[Stream, None]:
        """Get an answer that goes on, such as server-sent events, line by line.

        Args:
            url: as in `request`.
            headers: as in `request`.
            ca: as in `request`.
            limit: the longest line, in bytes.
            seconds: how long it may take to begin.
            silence: how many seconds may pass without a byte.

        Raises:
            Unreachable: it does not begin; or, from its lines, it broke off.
        """
        asked = _Asked("GET", url, headers, None, ca, silence, streams=True)
        async with AsyncExitStack() as stack:
            response = await self._begun(stack, asked, seconds)
            lines = _lines(response, limit)
            yield Stream(response.status, _headers(response), lines)

    async def _begun(
        self, stack: AsyncExitStack, asked: "_Asked", seconds: float
    ) -> aiohttp.ClientResponse:
        try:
            async with asyncio.timeout(seconds):
                return await self._response(stack, asked)
        except EXPECTED as error:
            detail = detail_of(error)
        raise Unreachable(detail)

    async def _response(
        self, stack: AsyncExitStack, asked: "_Asked"
    ) -> aiohttp.ClientResponse:
        """Return an answer as soon as it begins; closed with the stack."""
        url, scheme = self._checked(asked.url)
        key = Key(scheme, asked.ca, asked.streams)
        session = await stack.enter_async_context(self._sessions.lend(key))
        headers = CIMultiDict(asked.headers)
        # What is compressed may be of any size, and is not asked for.
        headers["Accept-Encoding"] = "identity"
        tries = Attempts()
        response = await stack.enter_async_context(
            session.request(
                asked.method,
                url,
                headers=headers,
                data=asked.body,
                proxy=self._proxy,
                allow_redirects=False,
                timeout=asked.timeout,
                middlewares=(tries,),
                trace_request_ctx=tries,
            )
        )
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise Unreachable("protocol")
        return response

    def _checked(self, text: str) -> tuple[URL, str]:
        """Return a URL as it is sent, and its scheme."""
        address, question, query = text.partition("?")
        by_proxy = self._proxy is not None
        checked = check_url(address, self._exceptions, by_proxy=by_proxy)
        if not _QUERY.fullmatch(query):
            raise AddressRefused("its query has blanks or a fragment")
        return URL(f"{checked}{question}{query}", encoded=True), checked.scheme

    def _resolver(self, scheme: str) -> Resolver:
        if self._proxy is not None:
            return Resolver(self._resolve)  # What is resolved here is the proxy.
        return Resolver(self._resolve, scheme, self._exceptions)


@dataclass(frozen=True, repr=False)
class _Asked:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    ca: bytes | None
    silence: float
    streams: bool = False

    @property
    def timeout(self) -> aiohttp.ClientTimeout:
        """The times of single steps; whoever asks limits the whole."""
        return aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_SECONDS, sock_read=self.silence
        )


async def _whole(response: aiohttp.ClientResponse, method: str, limit: int) -> Answer:
    if not _has_end(response, method):
        raise Unreachable("protocol")
    if (response.content_length or 0) > limit:
        raise Unreachable("too-large")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise Unreachable("too-large")
    return Answer(response.status, _headers(response), bytes(body))


def _has_end(response: aiohttp.ClientResponse, method: str) -> bool:
    """Tell whether a body that was cut can be told from a whole one."""
    bodiless = method == "HEAD" or response.status in {204, 304}
    framing = {"Content-Length", "Transfer-Encoding"}
    return bodiless or not framing.isdisjoint(response.headers)


async def _lines(response: aiohttp.ClientResponse, limit: int) -> AsyncIterator[bytes]:
    try:
        async for line in _split(response.content.iter_any(), limit):
            yield line
    except EXPECTED as error:
        detail = detail_of(error)
    else:
        return
    raise Unreachable(detail)


async def _split(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """Yield what ends with a line feed; what is left at the end is no line."""
    line = bytearray()
    async for chunk in chunks:
        for number, part in enumerate(chunk.split(b"\n")):
            if number:
                yield bytes(line.removesuffix(b"\r"))
                line.clear()
            line += part
            if len(line) > limit:
                raise Unreachable("too-large")


def _headers(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    return {name.lower(): text for name, text in response.headers.items()}
