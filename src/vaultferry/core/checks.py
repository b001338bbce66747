"""Checks on opened values, for the types to choose from.

They refuse what cannot be right, and only remark on what looks unusual: vendors change
the shapes of their keys. A message names fields and lengths, never a value.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from vaultferry.core.errors import ValueInvalid

Values = Mapping[str, bytes]

Check = Callable[[Values], None]
"""Raises ValueInvalid where the values of a credential cannot be right."""

Remark = Callable[[Values], Iterable[str]]
"""Returns what looks unusual in values that may be right all the same."""


@dataclass(frozen=True)
class Shape:
    """How the values of a field are known to look."""

    pattern: str
    """A regular expression that the whole of a value fits."""

    words: str
    """The same for people."""

    def fits(self, value: bytes) -> bool:
        """Tell whether a value has this shape."""
        return re.fullmatch(self.pattern.encode(), value) is not None


def one_line(values: Values) -> None:
    """Check that every value is one line of text without blanks around it."""
    for field, value in sorted(values.items()):
        if not _is_line(value):
            raise ValueInvalid(
                f"field {field} has {len(value)} bytes that are not one line of text: "
                "seal it without line breaks, control characters and blanks around it"
            )


def no_token(*prefixes: str) -> Check:
    """Return a check that no value is an API token of the vendor, by its prefix."""
    starts = tuple(prefix.encode() for prefix in prefixes)

    def check(values: Values) -> None:
        for field, value in sorted(values.items()):
            if value.startswith(starts):
                raise ValueInvalid(
                    f"field {field} has {len(value)} bytes that begin like an API "
                    f"token ({' or '.join(prefixes)}): seal an access key instead"
                )

    return check


def told_apart(shapes: Mapping[str, Shape]) -> Check:
    """Return a check that no field holds what has the shape of another field.

    A value that fits none of them is let pass.
    """

    def check(values: Values) -> None:
        for field, own in shapes.items():
            value = values[field]
            fits = [f for f, shape in shapes.items() if shape.fits(value)]
            if fits and not own.fits(value):
                raise ValueInvalid(
                    f"field {field} has {len(value)} bytes that look like {fits[0]}: "
                    "seal each under its own name"
                )

    return check


def unlike(shapes: Mapping[str, Shape]) -> Remark:
    """Return a remark on each field whose value has not the shape that is known."""

    def remark(values: Values) -> Iterator[str]:
        for field, shape in shapes.items():
            if field in values and not shape.fits(values[field]):
                yield unusual(field, values, shape.words)

    return remark


def unusual(field: str, values: Values, words: str) -> str:
    """Return a remark on one field."""
    return (
        f"field {field} has {len(values[field])} bytes that look unusual: known are "
        f"{words}"
    )


def _is_line(value: bytes) -> bool:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return False
    return text.isprintable() and text == text.strip()
