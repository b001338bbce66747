"""How much is kept of things, and which of them were used longest ago."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Shelf(Generic[K]):
    """Sizes of what is kept elsewhere, in the order in which it was used."""

    def __init__(self, room: int) -> None:
        """Begin empty.

        Args:
            room: how much is kept in all, in bytes.
        """
        self._room = room
        self._sizes: OrderedDict[K, int] = OrderedDict()
        self.size = 0
        """How much is kept now, in bytes."""

    def put(self, key: K, size: int) -> None:
        """Keep something, in place of what was there; it is used by that."""
        self.drop(key)
        self._sizes[key] = size
        self.size += size

    def use(self, key: K) -> None:
        """Say that something is used, if it is there."""
        if key in self._sizes:
            self._sizes.move_to_end(key)

    def drop(self, key: K) -> None:
        """Keep something no longer."""
        self.size -= self._sizes.pop(key, 0)

    def surplus(self, is_free: Callable[[K], bool]) -> Iterator[K]:
        """Drop and yield what there is no room for, used longest ago first.

        Args:
            is_free: tells whether something may go; what may not stays though there is
                no room for it.
        """
        for key in list(self._sizes) if self.size > self._room else ():
            if self.size <= self._room:
                return
            if is_free(key):
                self.drop(key)
                yield key
