"""Private keys as OpenSSH writes them.

https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key
"""

import base64
import textwrap

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

_BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----"
_END = "-----END OPENSSH PRIVATE KEY-----"
_WIDTH = 70

# The magic word, no cipher, no derivation without options, and that there is one key.
_AT_PUBLIC = len(b"openssh-key-v1\0\0\0\0\4none\0\0\0\4none\0\0\0\0\0\0\0\1")
_CHECKS = 8


def converted(pem: bytes) -> bytes | None:
    """Return a private key in OpenSSH's format, without a passphrase.

    One key always gives the same text, which the format does not by itself: it begins
    with a random number, twice, by which a wrong passphrase is noticed.

    Args:
        pem: the key in PKCS #8.

    Returns:
        None where that is no key, has a passphrase, or is none of SSH's.
    """
    try:
        text = _written(load_pem_private_key(pem, None))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Their texts may quote the key.
        return None
    body = base64.b64encode(_settled(text)).decode()
    return "\n".join([_BEGIN, *textwrap.wrap(body, _WIDTH), _END, ""]).encode()


def _written(key: PrivateKeyTypes) -> bytes:
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return base64.b64decode(b"".join(text.splitlines()[1:-1]))


def _settled(key: bytes) -> bytes:
    """Return a key with nought for the random number."""
    at = _after(key, _AT_PUBLIC) + 4
    return key[:at] + bytes(_CHECKS) + key[at + _CHECKS :]


def _after(key: bytes, at: int) -> int:
    return at + 4 + int.from_bytes(key[at : at + 4], "big")
