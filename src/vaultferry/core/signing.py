"""What a webhook is signed with: HMAC-SHA256 over its body, as it came."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence

Headers = Mapping[str, Sequence[str]]
"""The headers of a request, by lower-case name; each may be there several times."""


def only(headers: Headers, name: str) -> str:
    """Return a header that is there once; nothing where it is not, or is doubled."""
    found = headers.get(name, ())
    return found[0] if len(found) == 1 else ""


def is_signed(claimed: str, body: bytes, secret: bytes) -> bool:
    """Tell whether a signature is the one of a body; takes as long where it is not.

    Args:
        claimed: the signature in lower-case hex, or anything else.
        body: the bytes that came.
        secret: the key.
    """
    signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature.encode(), claimed.encode(errors="replace"))
