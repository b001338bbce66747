"""What a proxy remembers of the requests that it saw: never a body, never a header."""

from dataclasses import dataclass


@dataclass
class Entry:
    """One request."""

    number: int
    """From 1, in the order in which they came."""

    method: str
    target: str
    """Path and query."""

    status: int | None = None
    """What the server answered; None where it was not asked, or did not answer."""

    fault: str = ""
    """What was done to it, if anything."""

    def __str__(self) -> str:
        """Show all of it in a line."""
        status = "-" if self.status is None else self.status
        return f"#{self.number} {self.method} {self.target} {status} {self.fault}"
