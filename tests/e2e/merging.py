"""What ought to become of one Secret that several VaultSecrets merge into.

A model without an operator or an API server: whose keys are there after each step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

FIRST = {
    "a": {"a1": "1", "a2": "2", "both": "of a"},
    "b": {"b1": "1", "both": "of b"},
    "c": {"c1": "1"},
}
CHANGED = {"a1": "new", "a3": "3", "both": "of a"}


@dataclass
class Model:
    """One Secret, whose keys are there, and what the VaultSecrets want."""

    theirs: dict[str, str] = field(default_factory=lambda: {"theirs": "0"})
    """The keys that others have set."""

    consents: bool = True
    wants: dict[str, Mapping[str, str]] = field(default_factory=dict)
    owns: dict[str, dict[str, str]] = field(default_factory=dict)
    """The keys that each VaultSecret has set, if it ever has set any."""

    def settle(self) -> None:
        """Do what an operator does that has all the time it needs."""
        self.owns = {w: keys for w, keys in self.owns.items() if w in self.wants}
        for who, keys in self.wants.items():
            if self.reason(who) == "Synced":
                self.owns[who] = dict(keys)

    def reason(self, who: str) -> str:
        """Return what a VaultSecret says of itself."""
        if not self.consents:
            return "NotAllowed"
        others = [self.theirs, *(k for w, k in self.owns.items() if w != who)]
        clash = any(set(self.wants[who]) & set(keys) for keys in others)
        return "Conflict" if clash else "Synced"

    @property
    def data(self) -> dict[str, str]:
        """The data of the Secret."""
        together = dict(self.theirs)
        for keys in self.owns.values():
            together |= keys
        return together

    def set(self, key: str, value: str) -> None:
        """Have somebody else set a key: it is theirs from then on."""
        self.remove(key)
        self.theirs[key] = value

    def remove(self, key: str) -> None:
        """Have somebody take a key away, whose ever it is."""
        for keys in (self.theirs, *self.owns.values()):
            keys.pop(key, None)


def change(model: Model) -> None:
    """Apply a changed manifest of one, which makes it again where it is deleted."""
    model.wants["a"] = CHANGED


def delete(model: Model) -> None:
    """Delete one of them."""
    model.wants.pop("a", None)


def withdraw(model: Model) -> None:
    """Take the consent away."""
    model.consents = False


def take(model: Model) -> None:
    """Write over a key by hand."""
    model.set("a1", "taken")


def remove(model: Model) -> None:
    """Take a key out by hand."""
    model.remove("c1")


STEPS: tuple[Callable[[Model], None], ...] = (change, delete, withdraw, take, remove)
