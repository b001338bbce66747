"""The forms that a value may take in a log, a manifest, a URL or a database."""

import hashlib
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from urllib.parse import quote

import yaml

Form = Callable[[bytes], bytes]


def _aligned(encode: Form, offset: int) -> Form:
    """Base64 of bytes that begin there in a triple: what only they determine."""

    def written(value: bytes) -> bytes:
        text = encode(bytes(offset) + value)
        first, end = -(-offset * 8 // 6), (offset + len(value)) * 8 // 6
        return text[first:end]

    return written


def _of_text(write: Callable[[str], str]) -> Form:
    return lambda value: write(value.decode()).encode()


def _json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _json_of_go(text: str) -> str:
    escaped = json.dumps(text, ensure_ascii=False)[1:-1]
    for character in "<>&":
        escaped = escaped.replace(character, f"\\u{ord(character):04x}")
    return escaped


def _yaml(style: str) -> Callable[[str], str]:
    def write(text: str) -> str:
        dumped: str = yaml.safe_dump(text, default_style=style, width=float("inf"))
        return dumped.strip()[1:-1]

    return write


def _percent(value: bytes) -> bytes:
    return b"".join(b"%%%02X" % byte for byte in value)


FORMS: dict[str, Form] = {
    "raw": bytes,
    **{f"base64 at {k}": _aligned(b64encode, k) for k in range(3)},
    **{f"base64url at {k}": _aligned(urlsafe_b64encode, k) for k in range(3)},
    "hex": lambda value: value.hex().encode(),
    "HEX": lambda value: value.hex().upper().encode(),
    "percent": lambda value: quote(value, safe="").encode(),
    "percent, every byte": _percent,
    "percent, lower case": lambda value: _percent(value).lower(),
    "repr of bytes": lambda value: repr(value)[2:-1].encode(),
    "reversed bytes": lambda value: value[::-1],
}

TEXT_FORMS: dict[str, Form] = {
    "JSON": _of_text(_json),
    "JSON of Go": _of_text(_json_of_go),
    "JSON in JSON": _of_text(lambda text: _json(_json(text))),
    "JSON of Go in JSON": _of_text(lambda text: _json_of_go(_json_of_go(text))),
    "YAML, double quotes": _of_text(_yaml('"')),
    "YAML, single quotes": _of_text(_yaml("'")),
    "repr of text": _of_text(lambda text: repr(text)[1:-1]),
    "reversed": _of_text(lambda text: text[::-1]),
    "UTF-16, little": lambda value: value.decode().encode("utf-16-le"),
    "UTF-16, big": lambda value: value.decode().encode("utf-16-be"),
}

_DIGEST_CHARACTERS = 16


def digests(value: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield unsalted digests, as far as a shortened one would show them."""
    for name in ("sha256", "sha1", "md5"):
        digest = hashlib.new(name, value, usedforsecurity=False)
        yield f"{name} in hex", digest.hexdigest()[:_DIGEST_CHARACTERS].encode()
        yield f"{name} in base64", b64encode(digest.digest())[:_DIGEST_CHARACTERS]


def forms(value: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield every form of a value, or of a piece of one, by name."""
    for name, form in FORMS.items():
        yield name, form(value)
    try:
        value.decode()
    except UnicodeDecodeError:
        return
    for name, form in TEXT_FORMS.items():
        yield name, form(value)
