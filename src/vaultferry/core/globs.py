"""Globs over references and over the keys of a place.

`*` is any run of characters within a segment, `**` any run at all; segments are divided
by `/`. No other character is special. A tenant writes both the glob and, often, the
text, so there is no backtracking: all places where a match may be are followed at once.
"""

import re

_MAX = 1024
_TOKEN = re.compile(r"\*\*|.")


def fault(pattern: str) -> str | None:
    """Return what is wrong with a glob and what to write, or None."""
    if not pattern:
        return "an empty glob matches nothing: write ** for everything"
    if len(pattern) > _MAX:
        return f"a glob has at most {_MAX} characters"
    if "***" in pattern:
        return "write * within a segment, or ** across segments"
    if not pattern.isprintable():
        return "a glob has no control characters"
    return None


def matches(pattern: str, text: str, *, segmented: bool = True) -> bool:
    """Tell whether a glob matches a whole text; one that is none matches nothing.

    Takes at most the product of the two lengths, divided by the bits of a word.

    Args:
        pattern: the glob.
        text: what it may match.
        segmented: whether `/` divides the text; else `*` is any run, as `**` is.
    """
    if fault(pattern):
        return False
    at, end = _followed(pattern, text, segmented=segmented)
    return bool(at >> end & 1)


def may_begin(pattern: str, text: str) -> bool:
    """Tell whether a glob matches any text that begins so; one that is none does not.

    Args:
        pattern: the glob.
        text: how what it may match begins; `/` divides it.
    """
    # From each place that is left some text leads to the end.
    return not fault(pattern) and bool(_followed(pattern, text, segmented=True)[0])


def _followed(pattern: str, text: str, *, segmented: bool) -> tuple[int, int]:
    """Return the places where a match may be after a text, as bits, and the last."""
    tokens = _TOKEN.findall(pattern)
    places = _places(tokens)
    across = places.pop("**", 0)
    stars = across | places.pop("*", 0)
    at = _passed(1, stars)
    for char in text:
        stay = across if segmented and char == "/" else stars
        at = _passed((at & places.get(char, 0)) << 1 | at & stay, stars)
    return at, len(tokens)


def _places(tokens: list[str]) -> dict[str, int]:
    """Return where each token is: bit n of a number is the place before token n."""
    places: dict[str, int] = {}
    for number, token in enumerate(tokens):
        places[token] = places.get(token, 0) | 1 << number
    return places


def _passed(at: int, stars: int) -> int:
    """Add the places after stars, which may stand for nothing: none has a neighbour."""
    return at | (at & stars) << 1
