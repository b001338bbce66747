import pytest

from vaultferry.core.checks import Shape, no_token, one_line, told_apart
from vaultferry.core.errors import ValueInvalid

APART = told_apart(
    {"id": Shape("[0-9]{4}", "digits"), "key": Shape("[0-9a-z]{8}", "letters")}
)


@pytest.mark.parametrize("value", ["a", "a b", "ä+/=", "x" * 32768])
def test_a_line_of_text_is_taken(value: str) -> None:
    one_line({"key": value.encode()})


@pytest.mark.parametrize(
    "value",
    [b"a\n", b"a\r\n", b" a", b"a ", b"a\tb", b"a\0", b"\xff", b"\xc2\xa0a", b"a\nb"],
)
def test_what_is_no_line_of_text_is_refused_by_length(value: bytes) -> None:
    with pytest.raises(ValueInvalid) as caught:
        one_line({"id": b"1", "key": value})

    assert str(caught.value) == (
        f"field key has {len(value)} bytes that are not one line of text: seal it "
        "without line breaks, control characters and blanks around it"
    )


@pytest.mark.parametrize("value", [b"one_canary", b"two_canary"])
def test_an_api_token_is_no_key(value: bytes) -> None:
    with pytest.raises(ValueInvalid) as caught:
        no_token("one_", "two_")({"id": b"1", "key": value})

    assert str(caught.value) == (
        "field key has 10 bytes that begin like an API token (one_ or two_): seal an "
        "access key instead"
    )


def test_what_is_no_api_token_is_let_pass() -> None:
    no_token("one_", "two_")({"id": b"canary_one_", "key": b"One_"})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"id": b"1234abcd", "key": b"1234abcd"},
            "field id has 8 bytes that look like",
        ),
        ({"id": b"1234", "key": b"5678"}, "field key has 4 bytes that look like id:"),
        (
            {"id": b"1234abcd", "key": b"1234"},
            "field id has 8 bytes that look like key:",
        ),
    ],
    ids=["the key twice", "the id twice", "swapped"],
)
def test_a_value_under_the_name_of_another_is_refused(
    values: dict[str, bytes], words: str
) -> None:
    with pytest.raises(ValueInvalid, match=words):
        APART(values)


@pytest.mark.parametrize(
    "values",
    [{"id": b"1234", "key": b"1234abcd"}, {"id": b"of a new", "key": b"shape"}],
    ids=["as ever", "unknown"],
)
def test_what_looks_like_no_other_field_is_let_pass(values: dict[str, bytes]) -> None:
    APART(values)
