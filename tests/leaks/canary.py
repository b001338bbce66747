"""Values that are recognised wherever they come to light."""

import secrets
from dataclasses import dataclass

# The first characters of all canaries of a kind, and two of the last ones.
SECRET = ("vfCnary7", "k9")
TOLD = ("vfToldY4", "q4")
ECHOED = ("vfEcho9z", "w9")

# What breaks naive escaping, and so hides a value from a naive search.
TAILS = {
    "plain": "XwTaiL",
    "newlines": "\nTa\r\n\n",
    "quotes": "'\"`\\\"'",
    "markup": "<&>%d+",
    "non-ASCII": "é漢🔑ŽßÅ",
}


@dataclass(frozen=True)
class Canary:
    """A value, and where it was put."""

    name: str
    value: bytes

    @property
    def text(self) -> str:
        """The value as text."""
        return self.value.decode()


def canary(name: str, tail: str = "plain", kind: tuple[str, str] = SECRET) -> Canary:
    """Make up a value: 24 random bytes between a head and a tail that are known."""
    head, mark = kind
    middle = secrets.token_urlsafe(24)
    return Canary(name, f"{head}{middle}{mark}{TAILS[tail]}".encode())
