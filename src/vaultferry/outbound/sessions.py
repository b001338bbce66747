"""The connections that are kept, by what must not be mixed."""

import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from vaultferry.outbound import attempts
from vaultferry.outbound.names import Resolver

_KEPT_SECONDS = 30.0
_IDLE_SECONDS = 300.0
_PER_HOST = 8


@dataclass(frozen=True)
class Key:
    """What connections are kept apart by; a stream must not use up those of calls."""

    scheme: str
    ca: bytes | None
    streams: bool


@dataclass
class _Kept:
    session: aiohttp.ClientSession
    users: int = 0
    used: float = 0.0


class Sessions:
    """Sessions of the HTTP library: one per scheme, certificates and kind of use."""

    def __init__(
        self, resolver: Callable[[str], Resolver], clock: Callable[[], float]
    ) -> None:
        """Open nothing yet; `resolver` is made for a scheme."""
        self._resolver = resolver
        self._clock = clock
        self._kept: dict[Key, _Kept] = {}

    async def close(self) -> None:
        """Close all connections."""
        for kept in self._kept.values():
            await kept.session.close()
        self._kept.clear()

    @asynccontextmanager
    async def lend(self, key: Key) -> AsyncGenerator[aiohttp.ClientSession, None]:
        """Lend the session of a key, which stays open after."""
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = _Kept(self._made(key))
        kept.users += 1
        try:
            await self._close_idle()
            yield kept.session
        finally:
            kept.users -= 1
            kept.used = self._clock()

    def _made(self, key: Key) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=_tls(key.ca) if key.scheme == "https" else True,
            resolver=self._resolver(key.scheme),
            use_dns_cache=False,
            limit=0,
            limit_per_host=0 if key.streams else _PER_HOST,
            keepalive_timeout=_KEPT_SECONDS,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "vaultferry"},
            auto_decompress=False,
            trace_configs=[attempts.trace()],
            trust_env=False,
        )

    async def _close_idle(self) -> None:
        """Close what nobody has used for long: tenants bring certificates and go."""
        before = self._clock() - _IDLE_SECONDS
        idle = [k for k, v in self._kept.items() if not v.users and v.used < before]
        for kept in [self._kept.pop(key) for key in idle]:
            await kept.session.close()


def _tls(ca: bytes | None) -> ssl.SSLContext:
    """Return what checks a server's certificate, with these authorities alone.

    Raises:
        ssl.SSLError: they are no certificates.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cadata=ca.decode("ascii"))
    except ValueError:
        raise ssl.SSLError from None
    return context
