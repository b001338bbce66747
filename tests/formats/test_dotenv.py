import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.conftest import Tools
from tests.formats.samples import SAMPLES, opened
from vaultferry.core.errors import ValueInvalid
from vaultferry.formats import dotenv, env

PIN = "1:95130245"

NASTY = ("'", "\\", '"', "$", "#", " ", "\n", "\t", "=", "`", "a", "{", "\\n", "\u2028")
TEXTS = st.dictionaries(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True),
    st.text() | st.lists(st.sampled_from(NASTY)).map("".join),
    min_size=1,
)


def rendered(texts: dict[str, str]) -> dict[str, bytes]:
    """Return the file; nothing if a text is refused, as few may be."""
    try:
        return dotenv.render(opened("opaque", **texts))
    except ValueInvalid:
        values = "".join(texts.values())
        controls = {chr(i) for i in range(32)} - {"\n", "\t"} | {"\x7f"}
        assert "${" in values or set(values) & controls
        return {}


@settings(deadline=None)
@given(TEXTS)
def test_what_is_written_is_read_back(real: Tools, texts: dict[str, str]) -> None:
    if data := rendered(texts):
        assert real.read("dotenv", data) == texts


@pytest.mark.parametrize("sample", [s for s in SAMPLES if env.takes(SAMPLES[s].kind)])
def test_the_variables_are_those_of_env(sample: str, real: Tools) -> None:
    credential = SAMPLES[sample]

    found = real.read("dotenv", dotenv.render(credential))

    variables = env.render(credential)
    assert found == {name: value.decode() for name, value in variables.items()}


def test_a_plain_value_has_no_quotes_and_others_are_literal() -> None:
    data = dotenv.render(opened("opaque", A="k/e+y=", B="two words", C="-----\nPEM\n"))

    assert data == {".env": b"A=k/e+y=\nB='two words'\nC='-----\nPEM\n'\n"}


@pytest.mark.parametrize("value", ["${HOME}", "a\r\n", "\x00", "\x1b[0m"])
def test_what_readers_would_change_is_refused(value: str) -> None:
    with pytest.raises(ValueInvalid, match=r"^field a has \d+ bytes that \.env files"):
        dotenv.render(opened("opaque", a=value))


@pytest.mark.parametrize("name", ["a-b", "a.b", "1a"])
def test_a_name_that_no_variable_has_is_refused(name: str) -> None:
    with pytest.raises(ValueInvalid, match=f"^field {name} has a name that .env file"):
        dotenv.render(opened("opaque", **{name: "1"}))
