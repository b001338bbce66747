"""Who we are to an API server: what stands in the header `Authorization` now."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_TOKEN = re.compile(r"[!-~]+")
_FRESH_SECONDS = 60.0


class Unusable(Exception):
    """What says how to reach an API server cannot be used.

    The text names files, contexts and users. It never holds a token, nor what stands
    in a file or what a plug-in said.
    """


class Credentials(Protocol):
    """Who we are, by what each request shows; or by a certificate, and it is None."""

    async def authorization(self) -> str | None:
        """Return the header as it is to be now.

        Raises:
            Unusable: it cannot be had.
        """

    def refused(self, authorization: str | None) -> None:
        """Take in that it was answered with 401, and ask anew the next time."""


@dataclass(frozen=True, repr=False)
class Fixed:
    """What never changes: a token, a password, or nothing."""

    header: str | None = None

    async def authorization(self) -> str | None:
        """Return it."""
        return self.header

    def refused(self, authorization: str | None) -> None:
        """Do nothing: there is no other."""


NOBODY = Fixed()


class TokenFile:
    """A token in a file, which somebody exchanges before it expires."""

    def __init__(
        self, path: Path, where: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read it.

        Args:
            path: of the file.
            where: what an error is to name.
            clock: tells seconds.

        Raises:
            Unusable: there is no token in it.
        """
        self._path = path
        self._where = where
        self._clock = clock
        self._header = self._read()
        self._due = clock() + _FRESH_SECONDS

    async def authorization(self) -> str | None:
        """Return the token as it was in the last minute."""
        if self._clock() >= self._due:
            self._due = self._clock() + _FRESH_SECONDS
            # While it is exchanged it may not be there: the old one still holds.
            with suppress(Unusable):
                self._header = self._read()
        return self._header

    def refused(self, authorization: str | None) -> None:
        """Read it again the next time."""
        if authorization == self._header:
            self._due = self._clock()

    def _read(self) -> str:
        try:
            text = self._path.read_text()
        except (OSError, ValueError):
            raise Unusable(f"{self._where} cannot be read") from None
        return bearer(text.strip(), self._where)


def bearer(token: str, where: str) -> str:
    """Return the header of a token.

    Raises:
        Unusable: it cannot stand in a header.
    """
    if not _TOKEN.fullmatch(token):
        raise Unusable(f"{where} is no token")
    return f"Bearer {token}"
