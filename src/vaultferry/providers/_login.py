"""Logins: what a credential is exchanged for, by as few calls as possible.

Sessions with the same credential share one login, so that its failure is one as well,
however many sessions there are. What a login brought is kept until shortly before it
expires.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from vaultferry.core.errors import AuthenticationFailed
from vaultferry.outbound import Answer, Outbound
from vaultferry.providers import _http

# What a login brought is not used in the last part of its time, or the way may be too
# long for it.
_UNUSED_SECONDS = 30.0
_UNUSED_PART = 0.1
_AGAIN_SECONDS = 60.0

Shown = Mapping[str, str]
T = TypeVar("T")


@dataclass(frozen=True, repr=False, eq=False)
class Held(Generic[T]):
    """What a login brought; without a `repr`, because it holds secrets."""

    what: T
    until: float


@dataclass(frozen=True)
class Server:
    """Where somebody logs in."""

    outbound: Outbound
    address: str
    bundle: str | None
    clock: Callable[[], float]
    """Monotonic, in seconds."""

    def vault(self, limit: int) -> _http.Vault:
        """Return what calls it; the longest answer is of so many bytes."""
        return _http.Vault(self.outbound, self.address, self.bundle, limit)


class Login(Generic[T]):
    """One credential, and what it was exchanged for."""

    def __init__(
        self, exchange: Callable[[], Awaitable[Held[T]]], clock: Callable[[], float]
    ) -> None:
        """Call nothing yet.

        Args:
            exchange: logs in; how long it is not to be called again where it raises
                AuthenticationFailed is its `wait`.
            clock: monotonic, in seconds.
        """
        self._exchange = exchange
        self._clock = clock
        self._turn = asyncio.Lock()
        self._held: Held[T] | None = None
        self._refusal = ""
        self._quiet_until = -inf

    async def held(self, refused: Held[T] | None = None) -> Held[T]:
        """Return what can be used.

        Args:
            refused: what the vault did not take; it is not returned again.

        Raises:
            VaultFailure: there was nothing to be had.
        """
        async with self._turn:
            held = self._held
            if held is None or held is refused or held.until <= self._clock():
                self._held = None
                held = self._held = await self._exchanged()
            return held

    def drop(self) -> None:
        """Have the next who asks log in anew."""
        self._held = None

    async def _exchanged(self) -> Held[T]:
        wait = self._quiet_until - self._clock()
        if wait > 0:
            raise AuthenticationFailed(self._refusal, wait=wait)
        try:
            return await self._exchange()
        except AuthenticationFailed as failure:
            self._refusal = str(failure)
            self._quiet_until = self._clock() + failure.wait
            raise


async def ask(
    login: Login[Shown],
    send: Callable[[Shown], Awaitable[Answer]],
    is_refused: Callable[[Answer], bool],
) -> Answer:
    """Ask with what a login brought; once more with what is new where that is refused.

    Raises:
        VaultFailure: there was nothing to be had, or what is new is refused as well.
    """
    held = await login.held()
    answer = await send(held.what)
    if is_refused(answer):
        held = await login.held(refused=held)
        answer = await send(held.what)
    if is_refused(answer):
        words = "the vault does not take the token that it gave for the login"
        raise AuthenticationFailed(words, wait=_AGAIN_SECONDS)
    return answer


def lasting(seconds: float) -> float:
    """Return how long something is used that expires after so many seconds."""
    return seconds - min(_UNUSED_SECONDS, seconds * _UNUSED_PART)


def seconds_until(moment: str) -> float:
    """Return how long it is until a time as RFC 3339 has it.

    Raises:
        ValueError: it is none.
    """
    then = datetime.fromisoformat(moment)
    return (then.astimezone(UTC) - datetime.now(UTC)).total_seconds()


# Weak: a login is known as long as a session has it.
_KNOWN: WeakValueDictionary[Hashable, Login[Any]] = WeakValueDictionary()


def shared(credential: Hashable, new: Callable[[], Login[T]]) -> Login[T]:
    """Return the login of a credential: one for all that have the same."""
    known = _KNOWN.get(credential)
    if known is None:
        known = _KNOWN[credential] = new()
    return known
