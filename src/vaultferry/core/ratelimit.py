"""How often something may be asked: a number at once, then one every so many seconds.

Time is given in seconds of any clock that only grows.
"""

from collections.abc import Hashable


class RateLimit:
    """Counts by key, in memory only, and for a bounded number of keys."""

    def __init__(self, burst: int, seconds: float, keys: int) -> None:
        """Limit each key.

        Args:
            burst: how many at once.
            seconds: after how long there is one more.
            keys: how many are remembered; one more is refused.
        """
        self._seconds = seconds
        self._ahead = (burst - 1) * seconds
        self._keys = keys
        self._used_until: dict[Hashable, float] = {}

    def take(self, key: Hashable, now: float) -> bool:
        """Tell whether a key may be asked for now, and count that."""
        until = max(self._used_until.get(key, now), now)
        if until - now > self._ahead or not self._has_room(key, now):
            return False
        self._used_until[key] = until + self._seconds
        return True

    def _has_room(self, key: Hashable, now: float) -> bool:
        if key in self._used_until or len(self._used_until) < self._keys:
            return True
        used = self._used_until.items()
        self._used_until = {k: until for k, until in used if until > now}
        return len(self._used_until) < self._keys
