"""One call to an agent on the same machine, which gives credentials to its pods.

It is where the operator's own environment says, at one of few addresses; no vault can
have one of them, nor be reached this way.
"""

import asyncio
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp

from vaultferry.outbound.calls import Answer
from vaultferry.outbound.unreachable import EXPECTED, Unreachable, detail_of

# Of EKS: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
_AGENTS = frozenset(map(ip_address, ("169.254.170.23", "fd00:ec2::23")))
_SECONDS = 5.0
_LIMIT = 64 * 1024


async def ask(url: str, authorization: str) -> Answer:
    """Ask an agent; return its answer, whatever its status.

    Raises:
        Unreachable: it is none, or there is no answer.
    """
    if not _is_agent(url):
        raise Unreachable("refused-address")
    headers = {"Authorization": authorization}
    try:
        async with (
            asyncio.timeout(_SECONDS),
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            return await _whole(response)
    except EXPECTED as error:
        detail = detail_of(error)
    raise Unreachable(detail)


async def _whole(response: aiohttp.ClientResponse) -> Answer:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _LIMIT:
            raise Unreachable("too-large")
    return Answer(response.status, {}, bytes(body))


def _is_agent(url: str) -> bool:
    """Tell whether a URL has the address of an agent, or of this machine itself."""
    try:
        parts = urlsplit(url)
        ip = ip_address(parts.hostname or "")
    except ValueError:
        return False
    return parts.scheme == "http" and (ip.is_loopback or ip in _AGENTS)
