"""A .env file: the variables of `env`, or else the fields under their own names."""

import re

from vaultferry.core.errors import ValueInvalid
from vaultferry.core.opened import Opened
from vaultferry.core.secrettype import SecretType
from vaultferry.formats import _variables

SUMMARY = "`.env` with the variables of `env`, or else the fields under their own names"
LAYOUT = 1

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# These need no quotes, which some readers take for part of the value.
_BARE = re.compile(r"[A-Za-z0-9_./+=@:,-]+")

# A control character is lost in one reader or another.
_TEXT = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f]*")


def takes(_: SecretType) -> bool:
    """Take every type."""
    return True


def render(opened: Opened) -> dict[str, bytes]:
    """Return the file."""
    named = _named(opened)
    lines = [f"{name}={_quoted(named, name)}\n" for name in sorted(named.values)]
    return {".env": "".join(lines).encode()}


def _named(opened: Opened) -> Opened:
    if not _variables.known(opened.kind):
        return opened
    return Opened(opened.kind, _variables.of(opened))


def _quoted(named: Opened, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueInvalid(
            f"field {name} has a name that .env files do not take: use letters, digits "
            "and _, not beginning with a digit"
        )
    text = named.text(name)
    if not _TEXT.fullmatch(text) or "${" in text:
        raise ValueInvalid(
            f"field {name} has {len(named.values[name])} bytes that .env files cannot "
            "hold: no ${ and no control characters but line breaks and tabs"
        )
    if _BARE.fullmatch(text):
        return text
    # Not every reader undoes a backslash, so there is one only where there must be.
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
