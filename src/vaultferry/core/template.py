"""Templates: text with fields put in, and nothing that computes.

`{{ field }}` stands for a value, `{{ location.region }}` for a setting of the
location, and `{{ field | json }}` for a value in an encoding of a closed list.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote_from_bytes

from vaultferry.core.desired import MAX_DATA
from vaultferry.core.errors import InvalidSpec, TooLarge
from vaultferry.core.opened import Opened

LAYOUT = 1
"""Raised when the same template and values render to other data."""

_PLACE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_INSIDE = re.compile(r"\s*([-._a-zA-Z0-9]+)\s*(?:\|\s*([a-z0-9]+)\s*)?")

_Encoder = Callable[[Opened, str], bytes]


def _as_is(opened: Opened, name: str) -> bytes:
    return opened.values[name]


def _base64(opened: Opened, name: str) -> bytes:
    return base64.b64encode(opened.values[name])


def _json(opened: Opened, name: str) -> bytes:
    return json.dumps(opened.text(name)).encode()


def _url(opened: Opened, name: str) -> bytes:
    return quote_from_bytes(opened.values[name], safe="").encode()


_ENCODERS: Mapping[str | None, _Encoder] = {
    None: _as_is,
    "base64": _base64,
    "json": _json,
    "url": _url,
}


def render(templates: Mapping[str, str], opened: Opened) -> dict[str, bytes]:
    """Return the data that these templates make, by key.

    Raises:
        InvalidSpec: a template is not understood, or names what is not there.
        ValueInvalid: a value cannot be encoded as asked for.
        TooLarge: the data is over the limit of a Secret.
    """
    room = MAX_DATA
    data = {}
    for key in sorted(templates):
        data[key] = _limited(_parts(key, templates[key], opened), room)
        room -= len(data[key])
    return data


def _limited(parts: Iterator[bytes], room: int) -> bytes:
    """Return the parts as one; a value may be named again and again."""
    taken = []
    for part in parts:
        taken.append(part)
        room -= len(part)
        if room < 0:
            raise TooLarge(
                f"the data has more than {MAX_DATA} bytes, which do not fit: "
                "shorten spec.target.template"
            )
    return b"".join(taken)


def _parts(key: str, text: str, opened: Opened) -> Iterator[bytes]:
    known = _with_settings(opened)
    end = 0
    for place in _PLACE.finditer(text):
        yield _literal(key, text[end : place.start()])
        yield _value(key, place[1], known)
        end = place.end()
    yield _literal(key, text[end:])


def _with_settings(opened: Opened) -> Opened:
    settings = {f"location.{k}": v.encode() for k, v in opened.settings.items()}
    return Opened(opened.kind, settings | dict(opened.values), opened.location)


def _literal(key: str, text: str) -> bytes:
    if "{{" in text:
        raise InvalidSpec(f"{_named(key)} has {{{{ without }}}}")
    return text.encode()


def _value(key: str, inside: str, known: Opened) -> bytes:
    parsed = _INSIDE.fullmatch(inside)
    if parsed is None:
        raise InvalidSpec(
            f"{_named(key)} has {{{{ }}}} around something else than a field, or a "
            "field, | and an encoding"
        )
    name, encoder = parsed[1], parsed[2]
    if name not in known.values:
        names = ", ".join(sorted(known.values))
        raise InvalidSpec(f"{_named(key)} has no field {name[:253]}: use {names}")
    if encoder not in _ENCODERS:
        encoders = ", ".join(filter(None, _ENCODERS))
        raise InvalidSpec(f"{_named(key)} has no encoding {encoder}: use {encoders}")
    return _ENCODERS[encoder](known, name)


def _named(key: str) -> str:
    return f"spec.target.template key {key[:253]}"
