"""Who calls a vault next, where it lets few calls through."""

from math import inf
from operator import attrgetter
from typing import NamedTuple

from vaultferry.core.budget import Budget
from vaultferry.core.lines import Lanes
from vaultferry.core.urgency import Lane


class _Turn(NamedTuple):
    namespace: str
    name: str


class Allowance:
    """The line of those that wait for a call: namespaces take turns in it.

    Those in the lane URGENT come first, and may use what is kept for them.
    """

    def __init__(self) -> None:
        """Begin with a vault that has said nothing."""
        self.budget = Budget()
        self._lanes: Lanes[_Turn] = Lanes(attrgetter("namespace"))
        self._standing: dict[str, tuple[Lane, _Turn]] = {}
        self._let: set[str] = set()

    def __len__(self) -> int:
        """Return how many stand in line."""
        return len(self._standing)

    def lets(self, name: str, namespace: str, lane: Lane, now: float) -> bool:
        """Tell whether a place may be fetched now, and count that.

        Where it may not, it stands in line until `call_up` names it, and is let then.
        """
        if name in self._let:
            self._let.remove(name)
            return True
        if name in self._standing:
            return False
        if not self._lanes[lane] and not self._wait(lane, now):
            self.budget.spend(now)
            return True
        turn = _Turn(namespace, name)
        self._lanes[lane].put(turn, now)
        self._standing[name] = lane, turn
        return False

    def call_up(self, now: float) -> tuple[list[str], float]:
        """Return who may be fetched now, and the seconds until others may.

        inf: nobody stands in line any more.
        """
        called: list[str] = []
        while lanes := self._lanes.waiting():
            if wait := self._wait(lanes[0], now):
                return called, wait
            turn, _ = self._lanes[lanes[0]].take()
            del self._standing[turn.name]
            self.budget.spend(now)
            self._let.add(turn.name)
            called.append(turn.name)
        return called, inf

    def dissolve(self) -> list[str]:
        """Return all who stand in line, and have nobody stand there any more."""
        names = list(self._standing)
        for name in names:
            self.forget(name)
        return names

    def forget(self, name: str) -> None:
        """Forget a place that was fetched, or is used no more."""
        self._let.discard(name)
        if name in self._standing:
            lane, turn = self._standing.pop(name)
            self._lanes[lane].remove(turn)

    def _wait(self, lane: Lane, now: float) -> float:
        return self.budget.wait(now, is_first=lane is Lane.URGENT)
