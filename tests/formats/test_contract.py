"""What every module of the folder promises, and what they do together."""

from collections.abc import Mapping
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultferry import formats, plugins
from vaultferry.core.desired import check_data
from vaultferry.core.errors import InvalidSpec, KeyInvalid
from vaultferry.formats import Format

ALL = {
    name: cast("Format", plugins.load("vaultferry.formats", name))
    for name in formats.names()
}
VALUES = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True),
    st.binary(min_size=1, max_size=9),
    min_size=1,
    max_size=4,
)

every = pytest.mark.parametrize("name", ALL)


@every
@given(VALUES)
def test_a_rendering_fits_into_a_secret_and_repeats(
    name: str, values: Mapping[str, bytes]
) -> None:
    once = ALL[name].render(values)

    check_data(once)
    assert all(type(value) is bytes for value in once.values())
    assert ALL[name].render(dict(reversed(list(values.items())))) == once


@every
def test_a_rendering_leaves_the_values_as_they_are(name: str) -> None:
    values = {"token": b"1"}

    ALL[name].render(values).clear()

    assert values == {"token": b"1"}


@every
def test_a_layout_has_a_number(name: str) -> None:
    assert ALL[name].LAYOUT >= 1
    assert formats.layout([name]) == ALL[name].LAYOUT


def test_the_default_is_there() -> None:
    assert set(formats.DEFAULT) <= set(ALL)


def test_formats_are_laid_out_together() -> None:
    rendering = formats.render(("fields",), {"token": b"1"})

    assert rendering.data == {"token": b"1"}
    assert rendering.layout == formats.layout(("fields",))


@pytest.mark.parametrize("name", ["canary", "..fields", ""])
def test_a_format_that_is_not_known_is_refused_and_not_quoted(name: str) -> None:
    for use in (formats.layout, lambda names: formats.render(names, {})):
        with pytest.raises(InvalidSpec, match=r"^spec\.target\.formats is not known"):
            use([name])


def test_the_same_key_with_the_same_value_is_no_clash() -> None:
    rendering = formats.render(("fields", "fields"), {"token": b"1"})

    assert rendering.data == {"token": b"1"}


def test_renderings_with_keys_of_their_own_are_one() -> None:
    data = formats.together([{"a": b"1"}, {"b": b"2"}, {"a": b"1"}])

    assert data == {"a": b"1", "b": b"2"}


def test_two_renderings_do_not_write_the_same_key() -> None:
    with pytest.raises(KeyInvalid, match=r"^key a is written by two of"):
        formats.together([{"a": b"1"}, {"a": b"canary"}])
