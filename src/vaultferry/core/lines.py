"""Keys that wait, by lane: groups take turns, and in a group the first comes first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from math import inf
from typing import Generic, TypeVar

from vaultferry.core.urgency import Lane

K = TypeVar("K", bound=Hashable)


class Line(Generic[K]):
    """The keys of one lane: groups take turns, and in a group the first comes first.

    Every operation takes the same time, however many keys and groups there are.
    """

    def __init__(self, group: Callable[[K], Hashable]) -> None:
        self._group = group
        self._groups: OrderedDict[Hashable, OrderedDict[K, float]] = OrderedDict()
        self._group_of: dict[K, Hashable] = {}
        """Of those that wait: what the group of a key is may change meanwhile."""

    def __len__(self) -> int:
        return len(self._group_of)

    def put(self, key: K, since: float, *, first: bool = False) -> None:
        """Put a key behind those of its group, or before them."""
        group = self._group_of[key] = self._group(key)
        keys = self._groups.setdefault(group, OrderedDict())
        keys[key] = since
        keys.move_to_end(key, last=not first)

    def take(self) -> tuple[K, float]:
        """Take a key; return it with when it came."""
        group, keys = self._groups.popitem(last=False)
        key, since = keys.popitem(last=False)
        if keys:
            self._groups[group] = keys
        del self._group_of[key]
        return key, since

    def remove(self, key: K) -> None:
        """Take a key out, wherever it is."""
        group = self._group_of.pop(key)
        keys = self._groups[group]
        del keys[key]
        if not keys:
            del self._groups[group]

    def oldest(self) -> float:
        """Return when the key came that waits longest; one look per group."""
        firsts = (next(iter(keys.values())) for keys in self._groups.values())
        return min(firsts, default=inf)


class Lanes(Generic[K]):
    """A line for each lane."""

    def __init__(self, group: Callable[[K], Hashable]) -> None:
        self._lines: dict[Lane, Line[K]] = {lane: Line(group) for lane in Lane}

    def __getitem__(self, lane: Lane) -> Line[K]:
        return self._lines[lane]

    def waiting(self) -> list[Lane]:
        """Return the lanes in which a key waits, the most urgent first."""
        return [lane for lane, line in self._lines.items() if line]
