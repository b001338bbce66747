"""What was asked of a server, without any body or token."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

_KEPT = ("accept", "content-type", "if-none-match", "user-agent", "x-amz-target")


@dataclass
class Entry:
    """One request."""

    number: int
    at: float
    """When it came, in seconds since 1970."""

    method: str
    target: str
    """Path and query, as they were sent."""

    headers: dict[str, str] = field(default_factory=dict)
    """By lower-case name, those that matter; of a token only a digest."""

    status: int | None = None
    """What was answered; None as long as nothing was."""

    fault: str = ""
    """What was done to it."""

    @property
    def path(self) -> str:
        """The path alone."""
        return self.target.partition("?")[0]

    @property
    def operation(self) -> str:
        """The operation of AWS that is asked for; nothing elsewhere."""
        return self.headers.get("x-amz-target", "").rpartition(".")[2]


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that are remembered."""
    found = {name: headers[name] for name in _KEPT if name in headers}
    if "authorization" in headers:
        found["authorization"] = digest(headers["authorization"])
    return found


def digest(authorization: str) -> str:
    """Return what tells one `Authorization` header from another."""
    return hashlib.sha256(authorization.encode()).hexdigest()[:16]
