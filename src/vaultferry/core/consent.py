"""Consent to be acted upon: the annotation by which an object's owner lets us.

A list of words with commas between them, each for every VaultSecret of the namespace
or, after a `=`, for those whose name a glob fits: `adopt=db, merge=app-*`. A text that
is not understood in all its parts consents to nothing: a part of it may be wider than
what was meant.
"""

from collections.abc import Mapping
from typing import Literal, get_args

from vaultferry.core.model import GROUP

ALLOW = f"{GROUP}/allow"

Word = Literal["adopt", "merge", "read", "restart", "token"]

_WORDS = frozenset(get_args(Word))
_GLOB = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.*?")
_MAX_TEXT = 4096
_MAX_GLOB = 253


def allows(annotations: Mapping[str, str], word: Word, name: str) -> bool:
    """Tell whether an object consents to something, for a VaultSecret of that name."""
    entries = _parsed(annotations.get(ALLOW, ""))
    return any(said == word and fits(glob, name) for said, glob in entries)


def fits(glob: str, name: str) -> bool:
    """Tell whether a glob fits a whole name: `*` any characters, `?` exactly one.

    Takes the product of the two lengths at most, whatever the glob: of all its stars
    only the last one that was met is ever made longer.
    """
    at = place = 0
    star, after = -1, 0
    while place < len(name):
        if glob[at : at + 1] == "*":
            star, after = at, place
            at += 1
        elif glob[at : at + 1] in {"?", name[place]}:
            at, place = at + 1, place + 1
        elif star >= 0:
            after += 1
            at, place = star + 1, after
        else:
            return False
    return not glob[at:].strip("*")


def _parsed(text: str) -> list[tuple[str, str]]:
    """Return the words, each with its glob; none if anything is not understood."""
    if len(text) > _MAX_TEXT:
        return []
    entries = [_entry(part.strip(" ")) for part in text.split(",")]
    return [e for e in entries if e is not None] if None not in entries else []


def _entry(part: str) -> tuple[str, str] | None:
    word, limited, glob = part.partition("=")
    if not limited:
        glob = "*"
    legal = 0 < len(glob) <= _MAX_GLOB and _GLOB.issuperset(glob)
    return (word, glob) if word in _WORDS and legal else None
