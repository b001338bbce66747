"""How texts become bytes and bytes become text, each in exactly one way."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

LENGTH_BYTES = 4


def pack(*parts: str | bytes) -> bytes:
    """Join parts so that no other parts give the same bytes: each after its length.

    Lone surrogates, which JSON can carry, are encoded rather than refused, so that
    every text has bytes of its own.
    """
    return b"".join(map(_with_length, parts))


def _with_length(part: str | bytes) -> bytes:
    raw = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
    return len(raw).to_bytes(LENGTH_BYTES, "big") + raw


def to_base64url(raw: bytes) -> str:
    """Write bytes as base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes | None:
    """Read base64url without padding; None unless `text` is the one way to write it.

    The library's decoder skips what it does not know, takes both alphabets and
    ignores trailing bits, so what it read is written again and compared.
    """
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return raw if to_base64url(raw) == text else None


def from_fernet_key(text: str) -> bytes | None:
    """Read base64url with padding, as Fernet keys are written; None if not canonical.

    The length is for the caller to check.
    """
    try:
        raw = urlsafe_b64decode(text)
    except ValueError:
        return None
    return raw if urlsafe_b64encode(raw).decode("ascii") == text else None
