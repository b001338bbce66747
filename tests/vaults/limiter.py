"""A limit on calls per token, in windows of one length."""

import math
from dataclasses import dataclass, field

from tests.vaults.vault import Kept


class Rate(Kept):
    """So many calls in so many seconds."""

    limit: int
    seconds: float = 60


@dataclass
class Limiter:
    """Counts calls."""

    _windows: dict[str, tuple[float, int]] = field(default_factory=dict)

    def take(self, who: str, rate: Rate, now: float) -> "Taken":
        """Count a call."""
        ends, calls = self._windows.get(who, (0.0, 0))
        if now >= ends:
            ends, calls = now + rate.seconds, 0
        self._windows[who] = ends, calls + 1
        return Taken(rate.limit, calls + 1, ends, now)


@dataclass(frozen=True)
class Taken:
    """What a call is told of the limit."""

    limit: int
    calls: int
    ends: float
    now: float

    @property
    def is_over(self) -> bool:
        """Whether it was one too many."""
        return self.calls > self.limit

    @property
    def headers(self) -> dict[str, str]:
        """What every answer says of it."""
        found = {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(max(0, self.limit - self.calls)),
            "x-ratelimit-reset": str(math.ceil(self.ends)),
        }
        if self.is_over:
            found["retry-after"] = str(math.ceil(self.ends - self.now))
        return found
