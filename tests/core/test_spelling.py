import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.keyrings import HERE, keyring, seal, with_part
from vaultferry.core.errors import TokenMalformed
from vaultferry.core.sealing import Place
from vaultferry.core.suites import Suite

TOKEN = seal(Suite.HPKE_X25519)
KEY_ID = keyring().key_id
KID = KEY_ID.removesuffix("-1")
LAST = TOKEN[-1]

SPELLINGS = {
    "empty": "",
    "four parts": TOKEN.rpartition(".")[0],
    "six parts": TOKEN + ".",
    "a comma for a dot": TOKEN.replace(".", ",", 1),
    "another format": with_part(0, "vf2", TOKEN),
    "format in capitals": with_part(0, "VF1", TOKEN),
    "suite in capitals": with_part(1, "HPKE-X25519", TOKEN),
    "suite by its Python name": with_part(1, "HPKE_X25519", TOKEN),
    "an unknown suite": with_part(1, "rot13", TOKEN),
    "no suite": with_part(1, "", TOKEN),
    "scope in capitals": with_part(2, "Strict", TOKEN),
    "an unknown scope": with_part(2, "world", TOKEN),
    "no scope": with_part(2, "", TOKEN),
    "no epoch": with_part(3, KID, TOKEN),
    "epoch 0": with_part(3, f"{KID}-0", TOKEN),
    "epoch 01": with_part(3, f"{KID}-01", TOKEN),
    "epoch +1": with_part(3, f"{KID}-+1", TOKEN),
    "epoch -1": with_part(3, f"{KID}--1", TOKEN),
    "epoch 1_0": with_part(3, f"{KID}-1_0", TOKEN),
    "epoch of seven digits": with_part(3, f"{KID}-1000000", TOKEN),
    "epoch in Arabic digits": with_part(3, f"{KID}-\u0661", TOKEN),
    "epoch in wide digits": with_part(3, f"{KID}-\uff11", TOKEN),
    "key id in capitals": with_part(3, "ABCDEF01-1", TOKEN),
    "key id in wide digits": with_part(3, "\uff10" * 8 + "-1", TOKEN),
    "a short key id": with_part(3, KEY_ID[1:], TOKEN),
    "a newline after the key id": with_part(3, KEY_ID + "\n", TOKEN),
    "no payload": with_part(4, "", TOKEN),
    "a payload of one character": with_part(4, "A", TOKEN),
    "padding": TOKEN + "=" * (-len(TOKEN.rpartition(".")[2]) % 4 or 4),
    "one padding character": TOKEN + "=",
    "the standard alphabet +": with_part(4, "++++", TOKEN),
    "the standard alphabet /": with_part(4, "////", TOKEN),
    "trailing bits": TOKEN[:-1] + chr(ord(LAST) + 1),
    "a newline at the end": TOKEN + "\n",
    "a return at the end": TOKEN + "\r",
    "a space at the end": TOKEN + " ",
    "a space in front": " " + TOKEN,
    "a NUL at the end": TOKEN + "\0",
    "a NUL within": TOKEN[:80] + "\0" + TOKEN[80:],
    "a newline within": TOKEN[:80] + "\n" + TOKEN[80:],
    "junk within": TOKEN[:80] + "!" + TOKEN[80:],
    "a byte order mark": "\ufeff" + TOKEN,
    "a wide letter": TOKEN[:80] + "\uff21" + TOKEN[81:],
    "a lone surrogate": TOKEN[:80] + "\ud800" + TOKEN[81:],
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_only_the_canonical_text_is_a_token(text: str) -> None:
    with pytest.raises(TokenMalformed):
        keyring().open(text, HERE)


def test_the_refused_spellings_are_of_a_token_that_opens() -> None:
    assert keyring().open(TOKEN, HERE)
    assert len(TOKEN.rpartition(".")[2]) % 4 != 0  # so there are trailing bits


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("canary", "field f: no token, wanted is vf1."),
        (with_part(1, "canary", TOKEN), "field f: token of a suite that is malformed"),
        ("vf1.canary.canary.canary.canary!", "of a suite, scope, key id, payload that"),
    ],
)
def test_a_malformed_token_is_not_quoted(text: str, words: str) -> None:
    with pytest.raises(TokenMalformed, match=re.escape(words)) as caught:
        keyring().open(text, Place("n", "n", "f"))

    assert "canary" not in str(caught.value)


@given(st.text())
def test_any_text_gives_a_failure_and_nothing_else(text: str) -> None:
    with pytest.raises(TokenMalformed):
        keyring().open(text, HERE)
