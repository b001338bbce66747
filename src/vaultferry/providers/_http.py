"""What the vaults have in common that speak HTTP and JSON."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from vaultferry.core.budget import Quota
from vaultferry.core.document import Document
from vaultferry.core.errors import (
    AuthenticationFailed,
    PlaceForbidden,
    PlaceMissing,
    RateLimited,
    Unreachable,
)
from vaultferry.outbound import Answer, Outbound, Stream
from vaultferry.outbound import Unreachable as NotReached

_SECONDS = 10.0
# Events are short and few; a vault that sends others waits, rather than everybody else.
_LINE = 4096
_LINE_SECONDS = 0.02
_LONGEST_WAIT = 3600.0
_WAIT = 60.0

_QUOTA = ("limit", "remaining", "reset")
_NUMBER = re.compile(r"[0-9]{1,12}")

_UNREACHABLE = "the vault cannot be reached, or does not answer as it ought to"


class Vault:
    """One address."""

    def __init__(
        self, outbound: Outbound, address: str, bundle: str | None, limit: int
    ) -> None:
        """Take an address.

        Args:
            outbound: what calls are made by.
            address: without a slash at its end.
            bundle: the certificates (PEM) to trust; None: the public ones.
            limit: the longest answer, in bytes.
        """
        self._outbound = outbound
        self._address = address
        self._bundle = bundle.encode() if bundle else None
        self._limit = limit
        self.quota: Quota | None = None
        """What the vault said last of its limit on calls, if it says anything."""

    async def get(
        self, path: str, headers: Mapping[str, str], known: Document | None = None
    ) -> Answer:
        """Ask for something; return the answer, whatever its status.

        Args:
            path: what to ask for.
            headers: of the request.
            known: what was answered before; 304 then says that it is the same now.

        Raises:
            Unreachable: there is none, or it says so of what has no tag.
        """
        tag = {"If-None-Match": known.tag} if known and known.tag else {}
        answer = await self._ask("GET", path, {**headers, **tag}, None)
        if answer.status == HTTPStatus.NOT_MODIFIED and not tag:
            raise unreachable("http-304")
        return answer

    async def post(self, path: str, headers: Mapping[str, str], body: Any) -> Answer:
        """Send JSON; return the answer, whatever its status.

        Raises:
            Unreachable: there is none.
        """
        typed = {**headers, "Content-Type": "application/json"}
        return await self.send(path, typed, json.dumps(body).encode())

    async def send(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a body by POST, as it is; return the answer, whatever its status.

        Raises:
            Unreachable: there is none.
        """
        return await self._ask("POST", path, headers, body)

    @asynccontextmanager
    async def stream(
        self, path: str, headers: Mapping[str, str], silence: float
    ) -> AsyncGenerator[Stream, None]:
        """Ask for events; lend the answer, whatever its status.

        Args:
            path: what to ask for.
            headers: of the request.
            silence: how many seconds may pass without a byte.

        Raises:
            Unreachable: there is none; or, while it is lent, it broke off.
        """
        try:
            async with self._outbound.stream(
                self._address + path,
                headers={
                    "User-Agent": "vaultferry",
                    "Accept": "text/event-stream",
                    **headers,
                },
                ca=self._bundle,
                limit=_LINE,
                seconds=_SECONDS,
                silence=silence,
            ) as stream:
                yield Stream(stream.status, stream.headers, _calm(stream.lines))
                return
        except NotReached as error:
            detail = str(error)
        raise unreachable(detail)

    async def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        try:
            answer = await self._outbound.request(
                method,
                self._address + path,
                headers={"User-Agent": "vaultferry", **headers},
                body=body,
                ca=self._bundle,
                limit=self._limit,
                seconds=_SECONDS,
            )
        except NotReached as error:
            detail = str(error)
        else:
            self.quota = quota(answer)
            return answer
        raise unreachable(detail)


def bearer(token: bytes) -> dict[str, str]:
    """Return the header that shows a token.

    Raises:
        AuthenticationFailed: it is none that fits into a header.
    """
    return {"Authorization": f"Bearer {word(token)}"}


def word(token: bytes, name: str = "the token") -> str:
    """Return a token, or what else has that name, as text without blanks around it.

    Raises:
        AuthenticationFailed: it is none that a vault gives out.
    """
    text = token.decode("ascii", "replace").strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise AuthenticationFailed(f"{name} has characters that no token has")
    return text


def unreachable(detail: str) -> Unreachable:
    """Return the failure of a vault that does not answer as it ought to.

    Args:
        detail: a word of a closed list, for the log of the operator.
    """
    return Unreachable(_UNREACHABLE, detail=detail)


def check(answer: Answer, refused: Collection[int] = (401,)) -> None:
    """Check that an answer is good.

    Args:
        answer: the answer.
        refused: the statuses by which the vault does not take the token.

    Raises:
        VaultFailure: it is not.
    """
    status = answer.status
    if status in refused:
        raise AuthenticationFailed("the vault does not take the token")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = _wait(answer.headers.get("retry-after", ""))
        raise RateLimited("the vault was asked too often", wait=wait)
    if status != HTTPStatus.OK:
        raise unreachable(f"http-{status}")


def check_place(
    answer: Answer, forbidden: str, missing: str, absent: Collection[int] = (404,)
) -> None:
    """Check that an answer does not fail for the place alone.

    Args:
        answer: the answer.
        forbidden: what to say where the token may not read the place.
        missing: what to say where there is none.
        absent: the statuses by which the vault says that there is none.

    Raises:
        PlaceForbidden: the token may not read it.
        PlaceMissing: there is none.
    """
    if answer.status == HTTPStatus.FORBIDDEN:
        raise PlaceForbidden(forbidden)
    if answer.status in absent:
        raise PlaceMissing(missing)


def document(answer: Answer) -> Any:
    """Return the JSON of a good answer.

    Raises:
        VaultFailure: the answer is not good, or is no JSON.
    """
    check(answer)
    with suppress(ValueError):  # It holds the answer, and is not to stay behind.
        return json.loads(answer.body)
    raise unreachable("no-json")


def texts(answer: Answer) -> dict[str, bytes]:
    """Return the names and values of a good answer, an object of texts.

    Raises:
        VaultFailure: the answer is not good, or is something else.
    """
    found = document(answer)
    flat = isinstance(found, dict) and all(isinstance(v, str) for v in found.values())
    if not flat:
        raise unreachable("no-names-and-values")
    return {name: encoded(text) for name, text in found.items()}


def encoded(text: str) -> bytes:
    """Return a text of an answer in UTF-8.

    Raises:
        Unreachable: it is none: JSON may hold halves of characters.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass  # Its own words hold the text.
    raise unreachable("no-unicode")


async def _calm(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield lines, one after some time each."""
    async for line in lines:
        yield line
        await asyncio.sleep(_LINE_SECONDS)


def quota(answer: Answer) -> Quota | None:
    """Return what an answer says of a limit on calls.

    Some vaults write the seconds until there are all calls again, others when that is:
    what their clock says now is in the answer as well.
    """
    found = [answer.headers.get(f"x-ratelimit-{n}", "") for n in _QUOTA]
    if not all(map(_NUMBER.fullmatch, found)):
        return None
    limit, left, resets = map(int, found)
    wait = float(resets)
    if wait > _LONGEST_WAIT:
        wait = wait - _date(answer) if _date(answer) else _WAIT
    return Quota(max(1, limit), left, min(max(1.0, wait), _LONGEST_WAIT))


def _date(answer: Answer) -> float:
    """Return the seconds since 1970 when an answer was made; 0: it does not say."""
    with suppress(OverflowError, ValueError):
        return parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    return 0.0


def _wait(text: str) -> float:
    """Return what Retry-After says, in seconds; dates are not understood."""
    return min(float(text), _LONGEST_WAIT) if text.isdecimal() else _WAIT
