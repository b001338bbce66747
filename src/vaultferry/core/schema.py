"""Checks a value against a structural schema, as the API server does.

A message says what to write and never quotes what stands there: it may be a value
that was put into the wrong place.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

Path = tuple[str | int, ...]
Schema = Mapping[str, Any]

_KINDS: Mapping[str, tuple[type, str]] = {
    "object": (dict, "fields"),
    "array": (list, "a list"),
    "string": (str, "text"),
    "integer": (int, "a whole number"),
    "boolean": (bool, "true or false"),
}


@dataclass(frozen=True)
class Fault:
    """What is wrong at a place, and what to write there."""

    path: Path
    message: str
    blocks: bool = True
    """Whether the rules are not evaluated either, because they may not be able to."""


def faults(schema: Schema, value: object, path: Path = ()) -> Iterator[Fault]:
    """Yield what is wrong with a value, and with all that is in it."""
    kind, words = _KINDS[schema["type"]]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        yield Fault(path, f"has another form: write {words}")
        return
    for message in _least(schema, value):
        yield Fault(path, message, blocks=False)
    for message in _most(schema, value):
        yield Fault(path, message)
    yield from _WITHIN.get(schema["type"], _nothing)(schema, value, path)


def _least(schema: Schema, value: Any) -> Iterator[str]:
    if "pattern" in schema and not _fits(schema["pattern"], value):
        yield "has characters or an order that is not legal here"
    for word, unit in _UNITS.items():
        if f"min{word}" in schema and len(value) < schema[f"min{word}"]:
            yield f"is too short: write {schema[f'min{word}']} {unit} or more"


def _most(schema: Schema, value: Any) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"is not known: write one of {', '.join(map(str, schema['enum']))}"
    for word, unit in _UNITS.items():
        if f"max{word}" in schema and len(value) > schema[f"max{word}"]:
            most = schema[f"max{word}"]
            yield f"is too long: {len(value)} {unit}, at most {most}"


def _fits(pattern: str, text: str) -> bool:
    # At the end of a pattern $ is the very end, not also before a line break.
    return re.search(re.sub(r"\$\Z", r"\\Z", pattern), text) is not None


_UNITS = {"Length": "characters", "Items": "entries", "Properties": "fields"}


def _nothing(_schema: Schema, _value: Any, _path: Path) -> Iterator[Fault]:
    yield from ()


def _in_object(schema: Schema, value: Any, path: Path) -> Iterator[Fault]:
    of_all = schema.get("additionalProperties")
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield Fault((*path, name), "is missing: write it")
    for name, inner in value.items():
        if (of_one := known.get(name, of_all)) is not None:
            yield from faults(of_one, inner, (*path, name))
        elif known:
            yield Fault((*path, name), _unknown(name, known))


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    if near := get_close_matches(name, known, 1):
        return f"is no field here: write {near[0]}"
    return f"is no field here: known are {', '.join(known)}"


def _in_array(schema: Schema, value: Any, path: Path) -> Iterator[Fault]:
    for place, inner in enumerate(value):
        yield from faults(schema["items"], inner, (*path, place))
        if schema.get("x-kubernetes-list-type") == "set" and inner in value[:place]:
            yield Fault((*path, place), "is there twice: write it once")


_WITHIN: Mapping[str, Callable[[Schema, Any, Path], Iterator[Fault]]] = {
    "object": _in_object,
    "array": _in_array,
}
