"""How many calls a vault still lets through, and when the next one is to be made."""

from dataclasses import dataclass
from math import inf

# Below this share of the limit, calls are spread over the time that is left.
_AMPLE = 0.25
# What is kept for those who never had anything, of the limit.
_KEPT = 0.1
# A vault tells of the same end in whole seconds, and answers are under way for a while.
_SLACK_SECONDS = 2.0


@dataclass(frozen=True)
class Quota:
    """What a vault said with an answer of the calls that it lets through."""

    limit: int
    """How many in all, at least 1."""

    left: int
    """How many of them are left."""

    seconds: float
    """After how many seconds all of them are there again."""


class Budget:
    """What is left of a vault's limit; without a word of the vault's, there is none.

    Times are seconds of a clock that only grows.
    """

    def __init__(self) -> None:
        self._said: Quota | None = None
        self._left = 0
        self._ends = -inf
        self._seconds = 1.0
        self._last = -inf

    def note(self, quota: Quota | None, now: float) -> None:
        """Take in what the vault said last; what is known already says nothing new."""
        if quota is None or quota is self._said:
            return
        ends = now + quota.seconds
        # Answers overtake each other, and know nothing of calls that are under way.
        known = self._left if abs(ends - self._ends) < _SLACK_SECONDS else inf
        self._left = int(min(known, quota.left))
        self._said, self._ends = quota, ends
        self._seconds = max(self._seconds, quota.seconds)

    def spend(self, now: float) -> None:
        """Count a call that is about to be made."""
        self._left -= 1
        self._last = now

    def wait(self, now: float, *, is_first: bool) -> float:
        """Return the seconds until a call may be made; 0: it may be now.

        Args:
            now: the time.
            is_first: whether it is for who never had anything: those take what there
                is, others leave some, and spread what gets scarce.
        """
        if self._said is None:
            return 0.0
        if now >= self._ends:
            self._left, self._ends = self._said.limit, now + self._seconds
        kept = 0 if is_first else int(self._said.limit * _KEPT)
        spare, until = self._left - kept, self._ends - now
        if spare < 1:
            return until
        if is_first or self._left > self._said.limit * _AMPLE:
            return 0.0
        return max(0.0, self._last + until / spare - now)
