import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultferry.core.encoding import (
    from_base64url,
    from_fernet_key,
    pack,
    to_base64url,
)

PARTS = st.lists(
    st.text(max_size=3) | st.text(alphabet=st.characters(), max_size=3), max_size=4
)


@given(PARTS, PARTS)
def test_other_parts_give_other_bytes(one: list[str], other: list[str]) -> None:
    assert (pack(*one) == pack(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b/c"), ("a/b", "c")),
        (("ab", "c"), ("a", "bc")),
        (("a", ""), ("", "a")),
        (("a",), ("a", "")),
        (("\0\0\0\1a",), ("", "a")),
        (("\0\0\0\1b", ""), ("", "b")),
        (("é",), ("e\u0301",)),
        (("\ud800",), ("?",)),
    ],
)
def test_parts_that_join_alike_stay_apart(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    assert pack(*one) != pack(*other)


def test_a_part_stands_after_its_length_in_four_bytes() -> None:
    assert pack("", "é", b"\xff") == b"\0\0\0\0\0\0\0\2\xc3\xa9\0\0\0\1\xff"


@given(st.binary(max_size=80))
def test_base64url_reads_what_it_wrote(raw: bytes) -> None:
    assert from_base64url(to_base64url(raw)) == raw


@given(st.text(alphabet="AQZaz09-_+/=. \n\0é", max_size=8))
def test_base64url_has_one_spelling(text: str) -> None:
    raw = from_base64url(text)

    assert raw is None or to_base64url(raw) == text


@pytest.mark.parametrize(
    "text", ["QQ", "QQ==", "QR==", " QQ==", "QQ==\n", "QQ=", "+/+/", "Q", "é", "Q\0"]
)
def test_a_fernet_key_has_one_spelling(text: str) -> None:
    assert from_fernet_key(text) == (b"A" if text == "QQ==" else None)
