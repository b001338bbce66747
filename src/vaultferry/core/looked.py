"""What an attempt looked at."""

from dataclasses import dataclass

from vaultferry.core.secret import Current, Seen


@dataclass
class Looked:
    """The Secrets that an attempt last looked at: what its failure is judged by.

    The view tells more than that, where a Secret went or changed meanwhile.
    """

    seen: Seen | None
    """The target."""

    source: Seen | None = None
    """The one that holds the values, where one does."""

    def at(self, current: Current | None) -> None:
        """Note what was read of the target, or that nothing is there."""
        self.seen = current.seen if current else None
