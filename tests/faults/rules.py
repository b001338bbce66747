"""Which requests a fault is for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults.exchange import Exchange
from tests.faults.record import Entry

Matches = Callable[[Entry], bool]
Fault = Callable[[Exchange], Awaitable[None]]


def anything(_: Entry) -> bool:
    """Match every request."""
    return True


@dataclass
class Rule:
    """A fault, and the requests that it is done to."""

    name: str
    fault: Fault
    matches: Matches = anything
    skip: int = 0
    """How many that match are let pass first."""

    times: int | None = None
    """To how many it is done; None while the rule is there."""

    met: int = 0
    """How many have matched so far."""

    @property
    def done(self) -> int:
        """To how many it has been done."""
        after = max(0, self.met - self.skip)
        return after if self.times is None else min(after, self.times)

    def takes(self, entry: Entry) -> bool:
        """Count a request, and tell whether the fault is for it."""
        if not self.matches(entry):
            return False
        before = self.done
        self.met += 1
        return self.done > before
