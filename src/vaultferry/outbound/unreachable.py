"""Why a vault gave no answer, in words of our own."""

import ssl
from typing import Literal

import aiohttp

from vaultferry.core.addresses import AddressRefused

Detail = Literal[
    "refused-address",
    "resolve",
    "connect",
    "tls",
    "timeout",
    "reset",
    "protocol",
    "too-large",
]
"""Why there was no answer: for the operator's log, where a tenant reads one reason."""

EXPECTED: tuple[type[Exception], ...] = (
    AddressRefused,
    aiohttp.ClientError,
    OSError,
    ValueError,
)

# The first that fits: many of the library's are several of these at once.
_DETAILS: tuple[tuple[type[Exception], Detail], ...] = (
    (AddressRefused, "refused-address"),
    (TimeoutError, "timeout"),
    (aiohttp.ClientConnectorDNSError, "resolve"),
    (aiohttp.ClientSSLError, "tls"),
    (ssl.SSLError, "tls"),
    (aiohttp.ClientConnectorError, "connect"),
    (aiohttp.ClientHttpProxyError, "connect"),
    (aiohttp.ClientPayloadError, "reset"),
    (aiohttp.ServerDisconnectedError, "reset"),
    (OSError, "reset"),
)


class Unreachable(Exception):
    """A vault gave no answer that can be used; the text is its detail alone."""

    def __init__(self, detail: Detail) -> None:
        super().__init__(detail)
        self.detail = detail


def detail_of(error: Exception) -> Detail:
    """Return the word for one of the expected errors."""
    fitting = (detail for kind, detail in _DETAILS if isinstance(error, kind))
    return next(fitting, "protocol")
