"""What an attempt looked at."""

from collections.abc import Hashable
from dataclasses import dataclass

from vaultferry.core.secret import Current, Seen


@dataclass
class Looked:
    """What an attempt last looked at, and what its failure is judged by.

    The view tells more than that, where something went or changed meanwhile.
    """

    seen: Seen | None
    """The target."""

    source: Hashable = None
    """The `Viewed.identity` of what holds the values; None: it is not there."""

    def at(self, current: Current | None) -> None:
        """Note what was read of the target, or that nothing is there."""
        self.seen = current.seen if current else None
