"""Private keys, rewritten for OpenSSH, as OpenSSH and cryptography read them back."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_ssh_private_key,
)

from vaultferry.core.openssh import converted

PLAIN = NoEncryption()
KEYS: dict[str, PrivateKeyTypes] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ecdsa": ec.generate_private_key(ec.SECP256R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
}


def pkcs8(key: PrivateKeyTypes, cipher: KeySerializationEncryption = PLAIN) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, cipher)


@pytest.mark.parametrize("name", KEYS)
def test_a_key_stays_the_same_key(name: str) -> None:
    key = KEYS[name]
    text = converted(pkcs8(key))

    assert text is not None
    assert text.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert text.endswith(b"\n-----END OPENSSH PRIVATE KEY-----\n")
    assert max(map(len, text.splitlines())) == 70
    again = load_ssh_private_key(text, None)
    assert pkcs8(again) == pkcs8(key)


@pytest.mark.parametrize("name", KEYS)
def test_one_key_always_gives_one_text(name: str) -> None:
    pem = pkcs8(KEYS[name])

    assert len({converted(pem) for _ in range(5)}) == 1


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"canary",
        b"-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n",
        pkcs8(KEYS["ed25519"], BestAvailableEncryption(b"made-up")),
        pkcs8(x25519.X25519PrivateKey.generate()),
    ],
    ids=["empty", "text", "broken", "with a passphrase", "none of SSH's"],
)
def test_what_is_no_key_of_ssh_is_none(text: bytes) -> None:
    assert converted(text) is None
