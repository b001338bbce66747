"""Notices that somebody keeps undoing what we write, and slows the repairs down."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

REVERTS = 3
WINDOW = 300.0
REPAIR_EVERY = 60.0


@dataclass
class _Fight:
    about: Hashable
    reverts: deque[float] = field(default_factory=lambda: deque(maxlen=REVERTS))


class Contention:
    """The repairs of each key, in memory only. Times are seconds of any clock.

    A fight is about something, such as a generation: with a new one it is over,
    because nobody has undone that yet.
    """

    def __init__(self) -> None:
        self._fights: dict[Hashable, _Fight] = {}

    def repaired(self, key: Hashable, about: Hashable, now: float) -> None:
        """Note that what we had written was changed, and was written again."""
        fight = self._fights.get(key)
        if fight is None or fight.about != about:
            fight = self._fights[key] = _Fight(about)
        fight.reverts.append(now)

    def lasts(self, key: Hashable, about: Hashable, now: float) -> float:
        """Return the seconds until the fight counts as over; 0 if there is none.

        It begins with the third repair within five minutes, and ends five minutes
        after the last one.
        """
        fight = self._fights.get(key)
        if fight is None or fight.about != about or len(fight.reverts) < REVERTS:
            return 0.0
        if fight.reverts[-1] - fight.reverts[0] > WINDOW:
            return 0.0
        return max(0.0, fight.reverts[-1] + WINDOW - now)

    def wait(self, key: Hashable, about: Hashable, now: float) -> float:
        """Return the seconds until the next repair; 0 if it may be now."""
        if not self.lasts(key, about, now):
            return 0.0
        return max(0.0, self._fights[key].reverts[-1] + REPAIR_EVERY - now)

    def forget(self, key: Hashable) -> None:
        """Forget a key that is gone."""
        self._fights.pop(key, None)
