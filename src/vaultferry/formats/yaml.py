"""One YAML mapping of the fields, and the location where there is one."""

import json
import re
from collections.abc import Mapping

from vaultferry.core.opened import Opened
from vaultferry.core.secrettype import SecretType

SUMMARY = "`credentials.yaml`: the fields, and `location` where there is one"
LAYOUT = 1

_NOT_ASCII = re.compile(r"[^ -~]")


def takes(_: SecretType) -> bool:
    """Take every type."""
    return True


def render(opened: Opened) -> dict[str, bytes]:
    """Return the mapping."""
    lines = _lines(opened.texts())
    if settings := opened.settings:
        lines += ['"location":', *(f"  {line}" for line in _lines(settings))]
    return {"credentials.yaml": "".join(f"{line}\n" for line in lines).encode()}


def _lines(texts: Mapping[str, str]) -> list[str]:
    return [f"{_quoted(name)}: {_quoted(texts[name])}" for name in sorted(texts)]


def _quoted(text: str) -> str:
    """Return a text in quotes, so that no reader takes it for a number or a date.

    As in JSON, but for what lies beyond 16 bits: that is no pair of escapes in YAML.
    """
    quoted = json.dumps(text, ensure_ascii=False)
    return _NOT_ASCII.sub(lambda found: f"\\U{ord(found[0]):08x}", quoted)
