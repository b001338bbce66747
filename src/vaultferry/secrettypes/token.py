"""One bearer token or API key; where it is a JSON Web Token, that may say its end."""

import json
from base64 import urlsafe_b64decode
from typing import Any

from vaultferry.core.checks import Values
from vaultferry.core.expiry import number
from vaultferry.core.secrettype import Fields, SecretType

_PARTS = 3


def _end(values: Values) -> float | None:
    """Read the claim `exp`, unverified: whoever checks the token has the key to it."""
    parts = values["token"].split(b".")
    if len(parts) != _PARTS or "alg" not in _parsed(parts[0]):
        return None
    return number(_parsed(parts[1]).get("exp"))


def _parsed(part: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


TYPE = SecretType(
    name="token",
    summary="one bearer token or API key",
    methods={"token": Fields(required=("token",), end=_end)},
)
