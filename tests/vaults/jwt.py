"""Tokens in the form of a JWT, which survive the process that signed them."""

import base64
import hashlib
import hmac
import json
from contextlib import suppress
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

_HEAD = {"alg": "HS256", "typ": "JWT"}
_KEY = b"made-up"


def write(claims: dict[str, Any]) -> str:
    """Return a signed token."""
    body = f"{_part(_HEAD)}.{_part(claims)}"
    return f"{body}.{_signature(body)}"


def is_ours(token: str) -> bool:
    """Tell whether the signature is right."""
    body, _, signature = token.rpartition(".")
    return hmac.compare_digest(_signature(body), signature)


def read(token: str) -> dict[str, Any]:
    """Return the claims of any token, unverified; nothing of what is no JWT."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    except (IndexError, ValueError):
        return {}
    return claims if len(parts) == 3 and isinstance(claims, dict) else {}


def audiences(claims: dict[str, Any]) -> list[str]:
    """Return whom a token is for."""
    said = claims.get("aud", [])
    return said if isinstance(said, list) else [said]


def is_signed(token: str, keys: dict[str, Any]) -> bool:
    """Tell whether one of the keys of an API server (JWKS) signed a token."""
    body, _, signature = token.rpartition(".")
    raw = _bytes(signature)
    pair = encode_dss_signature(*(int.from_bytes(half) for half in _halves(raw)))
    for key in keys["keys"]:
        with suppress(InvalidSignature):
            _public(key).verify(pair, body.encode(), ec.ECDSA(hashes.SHA256()))
            return True
    return False


def _public(key: dict[str, str]) -> ec.EllipticCurvePublicKey:
    x, y = (int.from_bytes(_bytes(key[name])) for name in ("x", "y"))
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


def _halves(raw: bytes) -> tuple[bytes, bytes]:
    return raw[:32], raw[32:]


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


def _signature(body: str) -> str:
    return _text(hmac.digest(_KEY, body.encode(), hashlib.sha256))


def _part(document: dict[str, Any]) -> str:
    return _text(json.dumps(document).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
