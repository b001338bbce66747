"""What it takes to talk to one API server."""

import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from vaultferry import __version__
from vaultferry.apiserver.credentials import NOBODY, Credentials

# The API server makes it the name of the field manager, and sorts the managers of one
# second by name. A capital comes before kubectl and the like: else their next apply
# moves them behind us, and is a write though it changes nothing.
_AGENT = {"User-Agent": f"Vaultferry/{__version__}"}


@dataclass(frozen=True, repr=False)
class ApiServer:
    """Where an API server is, whom to trust there, and who we are."""

    url: str
    """Without a slash at its end."""

    credentials: Credentials = NOBODY

    tls: ssl.SSLContext | None = None
    """Whom we trust, and the certificate that we show; None where the URL is http."""

    tls_name: str | None = None
    """The name in the server's certificate, where it is not that of the URL."""

    proxy: str | None = None
    """The proxy to use; None: that of the environment, if any."""

    def session(self, connections: int, **options: Any) -> aiohttp.ClientSession:
        """Return a session; who opens it sends the credentials, and closes it.

        Args:
            connections: how many there may be at a time; 0: any number.
            options: further ones of aiohttp's session.
        """
        named = self.tls_name
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=self.tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Left to aiohttp, the environment is read anew, in a thread, for each call.
            proxy=self.proxy or _proxy(self.url),
            middlewares=() if named is None else (_Named(named),),
            **{**options, "headers": _AGENT | options.get("headers", {})},
        )


@dataclass(frozen=True)
class _Named:
    """Has the certificate of another name accepted."""

    name: str

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.server_hostname = self.name
        return await handler(request)


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for a URL, if any."""
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    return getproxies().get(parts.scheme)
