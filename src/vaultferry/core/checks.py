"""Checks on opened values, for the types to choose from.

They refuse what cannot be right, never what only looks unusual: vendors change the
shapes of their keys. A message names fields and lengths, never a value.
"""

import re
from collections.abc import Callable, Mapping

from vaultferry.core.errors import ValueInvalid

Values = Mapping[str, bytes]

Check = Callable[[Values], None]
"""Raises ValueInvalid where the values of a credential cannot be right."""


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


def told_apart(shapes: Mapping[str, str]) -> Check:
    """Return a check that no field holds what has the shape of another field.

    Args:
        shapes: a regular expression by field. A value that fits none is let pass.
    """
    patterns = {field: re.compile(shape.encode()) for field, shape in shapes.items()}

    def check(values: Values) -> None:
        for field, own in patterns.items():
            value = values[field]
            fits = [f for f, shape in patterns.items() if shape.fullmatch(value)]
            if fits and not own.fullmatch(value):
                raise ValueInvalid(
                    f"field {field} has {len(value)} bytes that look like {fits[0]}: "
                    "seal each under its own name"
                )

    return check


def _is_line(value: bytes) -> bool:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return False
    return text.isprintable() and text == text.strip()
