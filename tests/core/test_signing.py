"""Signatures over the body of a request."""

import pytest

from vaultferry.core.signing import is_signed, only

# RFC 4231, case 2.
SECRET, BODY = b"Jefe", b"what do ya want for nothing?"
SIGNATURE = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_the_published_signature_is_right() -> None:
    assert is_signed(SIGNATURE, BODY, SECRET)


@pytest.mark.parametrize(
    "claimed",
    ["", SIGNATURE.upper(), SIGNATURE[:-1], SIGNATURE + "0", "ž" * 64, "\udcff" * 64],
    ids=["none", "capitals", "short", "long", "not ASCII", "no text"],
)
def test_anything_else_is_not(claimed: str) -> None:
    assert not is_signed(claimed, BODY, SECRET)


@pytest.mark.parametrize(
    ("headers", "found"),
    [({"a": ["1"]}, "1"), ({}, ""), ({"a": []}, ""), ({"a": ["1", "1"]}, "")],
)
def test_a_header_counts_where_it_is_there_once(
    headers: dict[str, list[str]], found: str
) -> None:
    assert only(headers, "a") == found
