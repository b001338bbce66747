import pytest

from tests.keyrings import keyring, seal, with_part
from vaultferry.core.errors import PublicKeyInvalid
from vaultferry.core.sealing import PublicKey
from vaultferry.core.suites import Suite

PUBLIC = str(keyring().public_key())


def test_a_public_key_reads_what_it_wrote() -> None:
    key = PublicKey.parse(PUBLIC)

    assert key == keyring().public_key()
    assert PUBLIC.startswith(f"vfpk1.hpke-x25519.{keyring().key_id}.")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "`vaultferry public-key` prints it"),
        (PUBLIC + ".", "no public key"),
        ("vfpk2" + PUBLIC[5:], "no public key"),
        (seal(Suite.HPKE_X25519), "no public key"),
        (with_part(1, "fernet", PUBLIC), "unknown suite; known: hpke-x25519"),
        (with_part(2, "0badc0de", PUBLIC), "key id or key is malformed"),
        (PUBLIC + "\n", "key id or key is malformed"),
        (PUBLIC + "=", "key id or key is malformed"),
        (PUBLIC[:-4], "no usable one"),
        (PUBLIC + "AAAA", "no usable one"),
        (with_part(3, "A" * 43, PUBLIC), "no usable one"),
        (with_part(3, "AQ" + "A" * 41, PUBLIC), "no usable one"),
    ],
)
def test_a_damaged_public_key_is_refused(text: str, words: str) -> None:
    with pytest.raises(PublicKeyInvalid, match=words):
        PublicKey.parse(text)
