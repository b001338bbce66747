"""Files of sections and options: what they can hold."""

import re
from collections.abc import Mapping

from vaultferry.core.errors import ValueInvalid
from vaultferry.core.opened import Opened

# Some readers take what follows a blank for a comment, or a line that begins with #.
_PLAIN = re.compile(r"[!-~]+")
_COMMENTS = ("#", ";")


def value(opened: Opened, field: str) -> str:
    """Return a value as every reader of such files takes it for what it is.

    Raises:
        ValueInvalid: there is no such way.
    """
    text = opened.text(field)
    if not _PLAIN.fullmatch(text) or text.startswith(_COMMENTS):
        raise impossible(
            opened,
            field,
            "it takes printable ASCII without blanks, not beginning with # or ;",
        )
    return text


def impossible(opened: Opened, field: str, why: str) -> ValueInvalid:
    """Return the error that a value cannot stand in such a file."""
    size = len(opened.values[field])
    return ValueInvalid(
        f"field {field} has {size} bytes that its configuration file cannot hold: {why}"
    )


def section(name: str, options: Mapping[str, str | None]) -> str:
    """Return a section with those of the options that are there."""
    lines = [f"{option} = {text}\n" for option, text in options.items() if text]
    return "".join([f"[{name}]\n", *lines])
