"""A request is sent again only where its connection had been kept, and was closed.

aiohttp repeats what may be repeated wherever a connection breaks, be it a new one: a
vault that is down would be called twice.
"""

from types import SimpleNamespace

import aiohttp
from aiohttp.client_middlewares import ClientHandlerType


class Attempts:
    """Those of one request: its middleware, and the context of its trace."""

    def __init__(self) -> None:
        """Begin with none."""
        self._is_made = False
        self._was_kept = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request, unless an earlier attempt had a new connection."""
        if self._is_made and not self._was_kept:
            raise aiohttp.ServerDisconnectedError
        self._is_made = True
        return await handler(request)

    def kept(self) -> None:
        """Note that the connection had been used before."""
        self._was_kept = True


def trace() -> aiohttp.TraceConfig:
    """Return what has a session tell the attempts of a request."""
    config = aiohttp.TraceConfig()
    config.on_connection_reuseconn.append(_reused)
    return config


async def _reused(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    params: aiohttp.TraceConnectionReuseconnParams,
) -> None:
    del session, params
    context.trace_request_ctx.kept()
