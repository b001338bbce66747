from dataclasses import replace

import pytest

from tests.keyrings import keyring, seal, with_part
from vaultferry.core.errors import PublicKeyInvalid
from vaultferry.core.sealing import PublicKey
from vaultferry.core.suites import WITH_PUBLIC_KEY, Suite

PUBLIC = str(keyring().public_key())
HYBRID = keyring().public_key(Suite.HPKE_MLKEM768X25519)
MLKEM, X25519 = HYBRID.raw[:1184], HYBRID.raw[1184:]


@pytest.mark.parametrize("suite", WITH_PUBLIC_KEY)
def test_a_public_key_reads_what_it_wrote(suite: str) -> None:
    public = keyring().public_key(Suite(suite))

    assert PublicKey.parse(str(public)) == public
    assert str(public).startswith(f"vfpk1.{suite}.{keyring().key_id}.")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "`vaultferry public-key` prints it"),
        (PUBLIC + ".", "no public key"),
        ("vfpk2" + PUBLIC[5:], "no public key"),
        (seal(Suite.HPKE_X25519), "no public key"),
        (with_part(1, "fernet", PUBLIC), "unknown suite; known: hpke-x25519, hpke-ml"),
        (with_part(2, "0badc0de", PUBLIC), "key id or key is malformed"),
        (PUBLIC + "\n", "key id or key is malformed"),
        (PUBLIC + "=", "key id or key is malformed"),
        (PUBLIC[:-4], "no usable one"),
        (PUBLIC + "AAAA", "no usable one"),
        (with_part(3, "A" * 43, PUBLIC), "no usable one"),
        (with_part(3, "AQ" + "A" * 41, PUBLIC), "no usable one"),
        (with_part(1, Suite.HPKE_MLKEM768X25519, PUBLIC), "no usable one"),
        (with_part(1, Suite.HPKE_X25519, str(HYBRID)), "no usable one"),
    ],
)
def test_a_damaged_public_key_is_refused(text: str, words: str) -> None:
    with pytest.raises(PublicKeyInvalid, match=words):
        PublicKey.parse(text)


HALVES = {
    "no X25519": MLKEM,
    "no ML-KEM": X25519,
    "X25519 first": X25519 + MLKEM,
    "cut": HYBRID.raw[:-1],
    "lengthened": HYBRID.raw + b"\0",
    "ML-KEM not reduced": b"\xff" * 3 + MLKEM[3:] + X25519,
    "a point of small order": MLKEM + bytes(32),
}


@pytest.mark.parametrize("raw", HALVES.values(), ids=HALVES)
def test_a_hybrid_key_needs_both_halves(raw: bytes) -> None:
    with pytest.raises(PublicKeyInvalid, match="no usable one"):
        PublicKey.parse(str(replace(HYBRID, raw=raw)))
