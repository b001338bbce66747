"""What is remembered of failed attempts: in memory only, so a restart looks anew."""

from collections.abc import Hashable
from dataclasses import dataclass
from math import inf

from vaultferry.core.backoff import delay


@dataclass(frozen=True)
class _Failed:
    basis: Hashable
    count: int
    since: float
    until: float


class Attempts:
    """The failed attempts by key, each with what it was based on.

    A basis is everything that an attempt depends on and that we watch. While it
    stays the same, a resource is not tried before its time, whatever wakes it: our
    own status write does.
    """

    def __init__(self) -> None:
        self._failed: dict[Hashable, _Failed] = {}

    def __len__(self) -> int:
        return len(self._failed)

    def wait(self, key: Hashable, basis: Hashable, now: float) -> float:
        """Return the seconds until the next attempt; 0 if it may be now."""
        failed = self._failed.get(key)
        if failed is None or failed.basis != basis:
            return 0.0
        return max(0.0, failed.until - now)

    def count(self, key: Hashable) -> int:
        """Return how many attempts failed in a row."""
        failed = self._failed.get(key)
        return failed.count if failed else 0

    def since(self, key: Hashable, now: float) -> float:
        """Return the seconds since the first of the failures in a row."""
        failed = self._failed.get(key)
        return now - failed.since if failed else 0.0

    def fail(
        self, key: Hashable, basis: Hashable, now: float, chance: float, *, retry: bool
    ) -> float:
        """Remember a failure; return the seconds until the next attempt, or inf.

        Args:
            key: what was attempted.
            basis: what it was based on.
            now: the present time, monotonic, in seconds.
            chance: a random number from 0 to 1, to spread the attempts.
            retry: whether to try again without anything having changed.
        """
        before = self._failed.get(key)
        if before is not None and before.basis != basis:
            before = None
        count = before.count + 1 if before else 1
        since = before.since if before else now
        wait = delay(count, chance) if retry else inf
        self._failed[key] = _Failed(basis, count, since, now + wait)
        return wait

    def clear(self, key: Hashable) -> None:
        """Forget the failures of a key."""
        self._failed.pop(key, None)
