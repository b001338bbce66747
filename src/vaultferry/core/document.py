"""What a vault is asked for, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

# Of Python's own, for two texts and where they are found.
_EACH = 200


@dataclass(frozen=True)
class Wanted:
    """A reference, as the provider of its vault understands it."""

    place: str
    """What one fetch answers: an item, a config, a folder."""

    key: str
    """Which of the values there."""

    canonical: str
    """The reference in its one form, for `spec.access`.

    Empty, or with a `/` at its end, where that form is known only when the vault has
    answered: it begins so, and the provider's `origin` then tells it.
    """


@dataclass(frozen=True, repr=False)
class Document:
    """What a place held when it was fetched; without a `repr`, it holds values."""

    values: Mapping[str, bytes]
    tag: str | None = None
    """By which the vault tells whether it has changed since, such as an ETag."""

    origins: Mapping[str, str] = field(default_factory=dict)
    """Where values really come from, by key, in canonical form; the others are from
    the place itself."""

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        named = sum(len(name) + len(value) for name, value in self.values.items())
        placed = sum(len(name) + len(place) for name, place in self.origins.items())
        return named + placed + _EACH * (1 + len(self.values) + len(self.origins))

    def digest(self, key: bytes) -> bytes:
        """Return what tells, in place of all of it, whether another one says the same.

        Args:
            key: of chance, and nowhere else: else it would tell of a guessed value
                whether it is right.
        """
        said = sorted(self.values.items()), sorted(self.origins.items())
        return blake2b(repr(said).encode(), key=key).digest()
