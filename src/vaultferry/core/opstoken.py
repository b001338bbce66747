"""Tokens of 1Password's service accounts: `ops_`, and a JSON object in Base64.

A token says itself which server its account is on, and the vendor's SDK connects to
whatever stands there, also without TLS. So that is read before the SDK gets to see it.
"""

import base64
import binascii
import json
import re
from typing import Any

from vaultferry.core.addresses import AddressRefused, Exceptions, check_url
from vaultferry.core.errors import AuthenticationFailed

_TOKEN = re.compile(r"ops_([A-Za-z0-9_-]+)")
_ADDRESS = "signInAddress"
_DOMAINS = (".1password.com", ".1password.ca", ".1password.eu")
_PUBLIC = Exceptions()


def address(token: str) -> str:
    """Return the URL of the server that a token is for.

    Raises:
        AuthenticationFailed: it is no token of a service account.
    """
    found = _decoded(token).get(_ADDRESS)
    if not isinstance(found, str):
        raise AuthenticationFailed(
            "the token is none of a service account of 1Password"
        )
    return found if "://" in found else f"https://{found}"


def is_vendors(url: str) -> bool:
    """Tell whether an address is one of 1Password's own, and nothing but that."""
    try:
        parsed = check_url(url, _PUBLIC)
    except AddressRefused:
        return False
    plain = f"https://{parsed.host}"
    return parsed.host.endswith(_DOMAINS) and str(parsed).rstrip("/") == plain


def _decoded(token: str) -> dict[str, Any]:
    """Return what a token says; nothing where it is none."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return {}
    padded = match[1] + "=" * (-len(match[1]) % 4)
    try:
        text = base64.b64decode(padded, b"-_", validate=True)
        found = json.loads(text, object_pairs_hook=_once)
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; what it has twice, others may read otherwise."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found
