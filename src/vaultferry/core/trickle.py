"""When to write what nobody waits for: seldom, and each thing once."""

from collections.abc import Hashable
from math import inf

SETTLE_SECONDS = 10.0
"""Whoever puts one annotation on a Secret often puts on another."""

SPACING_SECONDS = 0.2


class Trickle:
    """Gives each key one turn, five a second; in memory only."""

    def __init__(self) -> None:
        self._due: dict[Hashable, float] = {}
        self._had: set[Hashable] = set()
        self._last = -inf

    def put_off(self, key: Hashable, now: float) -> None:
        """Give a key its turn, unless it has one or had it."""
        if key in self._had:
            return
        self._had.add(key)
        self._last = max(now + SETTLE_SECONDS, self._last + SPACING_SECONDS)
        self._due[key] = self._last

    def wait(self, key: Hashable, now: float) -> float:
        """Return the seconds until the turn of a key; inf where it has none."""
        return max(0.0, self._due.get(key, inf) - now)

    def done(self, key: Hashable) -> None:
        """Take in that a key had its turn."""
        self._due.pop(key, None)

    def forget(self, key: Hashable) -> None:
        """Forget a key that is gone."""
        self._due.pop(key, None)
        self._had.discard(key)
