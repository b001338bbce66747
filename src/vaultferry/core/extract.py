"""What a mapping asks for of a value that was fetched, and of the keys of a place."""

import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from vaultferry.core import globs
from vaultferry.core.errors import FieldMissing, InvalidSpec, KeyInvalid, ValueInvalid
from vaultferry.core.model import is_key

Decoding = Literal["none", "base64", "base64url", "hex"]
Step = str | int

_STEP = re.compile(
    r'(?:\A|(?<!\A)\.)(?:(?P<key>[^]."[]+)|"(?P<quoted>(?:[^"\\]|\\["\\])*)")'
    r"|\[(?P<index>0|[1-9][0-9]{0,8})\]"
)
_ESCAPED = re.compile(r"\\(.)")
_STAR = "*"
_NAMED = 10
_SHOWN = 64


class _Number(str):
    """A number as it was written, which neither float nor int would keep."""

    __slots__ = ()


def property_path(text: str) -> tuple[Step, ...]:
    """Read a path into JSON: `a.b`, `a[0]`, `a."b.c"`.

    Raises:
        InvalidSpec: it is none, and what to write.
    """
    steps: list[Step] = []
    at = 0
    while found := _STEP.match(text, at):
        steps.append(_step(found))
        at = found.end()
    if at < len(text) or not steps:
        raise InvalidSpec(
            f'property {text!r} is no path: write names with dots between, "…" around '
            'a name that has dots, and [0] for the first of a list: a."b.c"[0]'
        )
    return tuple(steps)


def extract(
    value: bytes, field: str, *, path: str | None = None, decoding: Decoding = "none"
) -> bytes:
    """Return what a mapping asks for of a value.

    Args:
        value: what was fetched.
        field: the field that it is for.
        path: the mapping's `property`; a text there is given as it is, all else as
            JSON without blanks, numbers as they were written.
        decoding: how what is found there was written.

    Raises:
        FieldMissing: there is nothing at the path.
        InvalidSpec: the path is none.
        ValueInvalid: it is not JSON, or not what `decoding` says.
    """
    found = value if path is None else _at(value, field, path)
    if decoding == "none":
        return found
    decoded = _DECODINGS[decoding](b"".join(found.split()))
    if decoded is None:
        raise ValueInvalid(f"{_named(field, path)} is not {decoding}")
    return decoded


def select(
    keys: Iterable[str],
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    rename: Sequence[tuple[str, str]] = (),
) -> Mapping[str, str]:
    """Return the keys that a Secret gets, each with the key in the vault.

    Args:
        keys: those of the place, each once.
        include: globs, one of which a key must match; none: any.
        exclude: globs, none of which a key may match.
        rename: from and to, each with one `*` or with none; the first that fits.

    Raises:
        InvalidSpec: a glob or a renaming is none.
        KeyInvalid: two keys would be one, or one is not legal in a Secret.
    """
    _check_rules(include, exclude, rename)
    chosen: dict[str, list[str]] = {}
    for key in sorted(keys):
        if _is_chosen(key, include, exclude):
            chosen.setdefault(_renamed(key, rename), []).append(key)
    if illegal := [
        old for new, olds in chosen.items() for old in olds if not is_key(new)
    ]:
        raise KeyInvalid(
            f"not legal as keys of a Secret: {_shown(illegal)}; rename or exclude them"
        )
    if twice := [old for olds in chosen.values() for old in olds if olds[1:]]:
        raise KeyInvalid(
            f"they would be the same key of the Secret: {_shown(twice)}; rename or "
            "exclude them"
        )
    return {new: old for new, (old,) in chosen.items()}


def _step(found: re.Match[str]) -> Step:
    if found["index"] is not None:
        return int(found["index"])
    if found["quoted"] is not None:
        return _ESCAPED.sub(r"\1", found["quoted"])
    return found["key"]


def _at(value: bytes, field: str, path: str) -> bytes:
    steps = property_path(path)
    parsed = _parsed(value)
    if parsed is None:
        raise ValueInvalid(f"{_named(field, path)}: the value is no JSON")
    node = parsed[0]
    for step in steps:
        node = _below(node, step)
    if node is None:
        raise FieldMissing(f"{_named(field, path)} is not there, or null")
    text = _written(node)
    if text is None:
        raise ValueInvalid(f"{_named(field, path)} is no Unicode, or nested too deep")
    return text


def _below(node: Any, step: Step) -> Any:
    """Return what is one step below, or None."""
    if isinstance(step, int):
        return node[step] if isinstance(node, list) and step < len(node) else None
    return node.get(step) if isinstance(node, dict) else None


def _parsed(value: bytes) -> tuple[Any] | None:
    """Return what JSON says, if it says one thing to everybody."""
    try:
        return (
            json.loads(
                value.decode(),
                object_pairs_hook=_object,
                parse_constant=_refused,
                parse_float=_Number,
                parse_int=_Number,
            ),
        )
    except (ValueError, RecursionError):
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError
    return made


def _refused(_: str) -> None:
    raise ValueError


def _written(node: Any) -> bytes | None:
    try:
        return (node if isinstance(node, str) else _json(node)).encode()
    except (UnicodeEncodeError, RecursionError):
        return None


def _json(node: Any) -> str:
    if isinstance(node, _Number):
        return node
    if isinstance(node, dict):
        pairs = (f"{_json(name)}:{_json(below)}" for name, below in node.items())
        return f"{{{','.join(pairs)}}}"
    if isinstance(node, list):
        return f"[{','.join(map(_json, node))}]"
    return json.dumps(node, ensure_ascii=False)


def _base64(text: bytes) -> bytes | None:
    try:
        raw = binascii.a2b_base64(text)  # which skips what it does not know
    except binascii.Error:
        return None
    return raw if binascii.b2a_base64(raw, newline=False) == text else None


def _base64url(text: bytes) -> bytes | None:
    if b"+" in text or b"/" in text:
        return None
    standard = text.translate(bytes.maketrans(b"-_", b"+/"))
    padding = b"" if b"=" in text else b"=" * (-len(text) % 4)
    return _base64(standard + padding)


def _hex(text: bytes) -> bytes | None:
    try:
        return binascii.unhexlify(text)
    except binascii.Error:
        return None


_DECODINGS: Mapping[str, Callable[[bytes], bytes | None]] = {
    "base64": _base64,
    "base64url": _base64url,
    "hex": _hex,
}


def _named(field: str, path: str | None) -> str:
    return field if path is None else f"{field}: property {path}"


def _check_rules(
    include: Sequence[str], exclude: Sequence[str], rename: Sequence[tuple[str, str]]
) -> None:
    for pattern in (*include, *exclude):
        if fault := globs.fault(pattern):
            raise InvalidSpec(f"{pattern[:_SHOWN]!r} in include or exclude: {fault}")
    for old, new in rename:
        stars = old.count(_STAR)
        if stars > 1 or new.count(_STAR) != stars or not old:
            raise InvalidSpec(
                f"rename from {old[:_SHOWN]!r} to {new[:_SHOWN]!r}: write one * in "
                'both, or none: from "DB_*" to "db-*"'
            )


def _is_chosen(key: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    included = not include or _matches_any(include, key)
    return included and not _matches_any(exclude, key)


def _matches_any(patterns: Sequence[str], key: str) -> bool:
    return any(globs.matches(pattern, key, segmented=False) for pattern in patterns)


def _renamed(key: str, rename: Sequence[tuple[str, str]]) -> str:
    for old, new in rename:
        before, star, after = old.partition(_STAR)
        rest = key.removeprefix(before)
        if not star and key == old:
            return new
        if star and key.startswith(before) and rest.endswith(after):
            return new.replace(_STAR, rest.removesuffix(after))
    return key


def _shown(keys: Sequence[str]) -> str:
    """Return keys for a message: whoever wrote them may have written anything."""
    shown = ", ".join(ascii(key[:_SHOWN]) for key in keys[:_NAMED])
    more = len(keys) - _NAMED
    return f"{shown} and {more} more" if more > 0 else shown
