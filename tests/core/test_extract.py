"""What a mapping gets out of a value, and which keys `fieldsFrom` takes."""

import json
from traceback import format_exception
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultferry.core.errors import (
    Failure,
    FieldMissing,
    InvalidSpec,
    KeyInvalid,
    ValueInvalid,
)
from vaultferry.core.extract import Decoding, extract, property_path, select

CANARY = "canary-value"

SOURCE = rb"""
{
  "text": "a \u00fc\n", "empty": "", "whole": 12345678901234567890123, "minus": -0,
  "part": 1.10, "power": -1E+400, "zero": -0.0, "yes": true, "no": false,
  "nothing": null, "list": ["a", [1.0, null], {"b": 2}], "a.b": {"c d": "dotted"},
  "q\"\\": "quoted", "": "nameless", "0": "zero",
  "object": {"z": 1.50, "a": [true, {"\u00e9": "x\"y"}]}
}
"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("text", "a ü\n"),
        ("empty", ""),
        ("whole", "12345678901234567890123"),
        ("minus", "-0"),
        ("part", "1.10"),
        ("power", "-1E+400"),
        ("zero", "-0.0"),
        ("yes", "true"),
        ("no", "false"),
        ("list", '["a",[1.0,null],{"b":2}]'),
        ("list[0]", "a"),
        ("list[1][0]", "1.0"),
        ("list[2].b", "2"),
        ('"a.b"."c d"', "dotted"),
        ('"a.b".c d', "dotted"),
        (r'"q\"\\"', "quoted"),
        ('""', "nameless"),
        ("0", "zero"),
        ("object", '{"z":1.50,"a":[true,{"é":"x\\"y"}]}'),
        ("object.a[1]", '{"é":"x\\"y"}'),
    ],
)
def test_a_property_is_found_as_it_was_written(path: str, found: str) -> None:
    assert extract(SOURCE, "field", path=path) == found.encode()


@pytest.mark.parametrize("value", [b"[1.10, 2]", b" [1.10 ,\n2]\n"])
def test_a_list_at_the_top_has_numbers(value: bytes) -> None:
    assert extract(value, "field", path="[0]") == b"1.10"


def test_a_number_may_be_as_long_as_it_likes() -> None:
    digits = b"9" * 10_000

    assert extract(b'{"a": ' + digits + b"}", "field", path="a") == digits


def test_without_a_property_a_value_is_as_it_was() -> None:
    value = bytes(range(256))

    assert extract(value, "field") == value


@pytest.mark.parametrize(
    "path",
    [
        "none",
        "nothing",
        "text.more",
        "text[0]",
        "list.a",
        "list.0",
        "list[3]",
        "list[1][1]",
        "list[999999999]",
        "object[0]",
        "whole[0]",
        "whole.a",
        "yes.a",
        "nothing.a",
        "TEXT",
        "a.b",
    ],
)
def test_a_property_that_is_not_there_is_missing(path: str) -> None:
    with pytest.raises(FieldMissing) as caught:
        extract(SOURCE, "some-field", path=path)

    assert f"some-field: property {path}" in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        ".a",
        "a.",
        "a..b",
        "a[",
        "a[]",
        "a[-1]",
        "a[01]",
        "a[1",
        "a[x]",
        "a.[0]",
        "a[0]b",
        "a]",
        '"a',
        'a"b"',
        '"a"b',
        '"\\a"',
        "a[1234567890]",
        "$.a[*]",
    ],
)
def test_a_property_that_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidSpec, match="write names"):
        property_path(path)
    with pytest.raises(InvalidSpec):
        extract(SOURCE, "field", path=path)


@given(st.lists(st.text(max_size=5) | st.integers(0, 99), min_size=1, max_size=5))
def test_every_place_has_a_path(steps: list[str | int]) -> None:
    written = "".join(
        f"[{s}]" if isinstance(s, int) else "." + json.dumps(s, ensure_ascii=False)
        for s in steps
    )
    # JSON escapes more than quotes and backslashes; only those two matter here.
    plain = all(isinstance(s, int) or s.isprintable() for s in steps)
    if plain:
        assert property_path(written.removeprefix(".")) == tuple(steps)


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.text(), below),
    max_leaves=20,
)


@given(NESTED)
def test_an_object_is_the_same_json_without_blanks(node: Any) -> None:
    value = json.dumps({"a": [node]}, indent=2).encode()
    said = json.dumps([node], separators=(",", ":"), ensure_ascii=False)

    assert extract(value, "field", path="a").decode() == said


@pytest.mark.parametrize(
    "value",
    [
        b"",
        CANARY.encode(),
        b'{"a": canary-value}',
        b'{"a": "canary-value"',
        b'{"a": "canary-value"} canary-value',
        b'{"a": NaN, "b": "canary-value"}',
        b'{"a": -Infinity, "b": "canary-value"}',
        b'{"a": "canary-value", "a": "canary-value"}',
        b'{"b": {"canary-value": 1, "canary-value": 1}, "a": 1}',
        b'{"a": "canary-value\xff"}',
        b'\xef\xbb\xbf{"a": "canary-value"}',
        '{"a": "canary-value"}'.encode("utf-16"),
        b'{"a": "canary-value\\ud800"}',
        b'{"a": ["canary-value\\ud800"]}',
        b'{"a": 01, "b": "canary-value"}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=range(16),
)
def test_what_is_not_one_json_text_is_refused_without_a_word_of_it(
    value: bytes,
) -> None:
    with pytest.raises(ValueInvalid) as caught:
        extract(value, "some-field", path="a")

    assert "some-field: property a" in str(caught.value)
    assert CANARY not in "".join(format_exception(caught.value))
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("decoding", "value", "found"),
    [
        ("base64", b"", b""),
        ("base64", b"+/8=", b"\xfb\xff"),
        ("base64", b"Y2Fu\nYXJ5\r\n", b"canary"),
        ("base64url", b"-_8", b"\xfb\xff"),
        ("base64url", b"-_8=\n", b"\xfb\xff"),
        ("base64url", b"", b""),
        ("hex", b"00ffAb", b"\x00\xff\xab"),
        ("hex", b" 00 ff\n", b"\x00\xff"),
        ("hex", b"", b""),
    ],
)
def test_a_value_is_decoded(decoding: Decoding, value: bytes, found: bytes) -> None:
    assert extract(value, "field", decoding=decoding) == found


@pytest.mark.parametrize(
    ("decoding", "value"),
    [
        ("base64", b"canary-value"),
        ("base64", b"-_8="),
        ("base64", b"+/8"),
        ("base64", b"+/9="),
        ("base64", b"+/8=="),
        ("base64", b"Y2Fu=YXJ5"),
        ("base64", b"Y2Fu!"),
        ("base64", b"Y\xc3\xa9=="),
        ("base64url", b"+/8"),
        ("base64url", b"-_9"),
        ("base64url", b"a"),
        ("base64url", b"QQ="),
        ("hex", b"0"),
        ("hex", b"0x00"),
        ("hex", b"canary"),
        ("hex", b"\xff\xff"),
    ],
)
def test_what_is_not_written_so_is_refused(decoding: Decoding, value: bytes) -> None:
    with pytest.raises(ValueInvalid) as caught:
        extract(value, "some-field", decoding=decoding)

    assert str(caught.value) == f"some-field is not {decoding}"
    assert caught.value.__context__ is None


def test_a_property_is_decoded_after_it_was_found() -> None:
    value = b'{"a": "Y2FuYXJ5"}'

    assert extract(value, "field", path="a", decoding="base64") == b"canary"
    with pytest.raises(ValueInvalid, match="field: property a is not hex"):
        extract(value, "field", path="a", decoding="hex")


KEYS = ["DB_USER", "DB_PASSWORD", "API_KEY", "API_KEY_OLD", "path/to"]


@pytest.mark.parametrize(
    ("rules", "selected"),
    [
        (
            {"include": ["DB_*"]},
            {"DB_USER": "DB_USER", "DB_PASSWORD": "DB_PASSWORD"},
        ),
        (
            {"include": ["DB_USER", "API_KEY"]},
            {"DB_USER": "DB_USER", "API_KEY": "API_KEY"},
        ),
        ({"exclude": ["*_*", "path**"]}, {}),
        (
            {"exclude": ["path*", "*_OLD"], "include": ["*T*", "A*"]},
            {"API_KEY": "API_KEY"},
        ),
        (
            {"include": ["DB_*"], "rename": [("DB_*", "db-*")]},
            {"db-USER": "DB_USER", "db-PASSWORD": "DB_PASSWORD"},
        ),
        (
            {"include": ["API*"], "rename": [("*_OLD", "old.*"), ("API_*", "*")]},
            {"KEY": "API_KEY", "old.API_KEY": "API_KEY_OLD"},
        ),
        (
            {"include": ["DB_USER"], "rename": [("DB_USER", "name"), ("*", "x*")]},
            {"name": "DB_USER"},
        ),
        ({"include": ["DB_USER"], "rename": [("D*_USER", "*")]}, {"B": "DB_USER"}),
        ({"include": ["p*"], "rename": [("path/*", "*")]}, {"to": "path/to"}),
        (
            {"include": ["API_KEY"], "rename": [("API_K*_KEY", "x*")]},
            {"API_KEY": "API_KEY"},
        ),
    ],
)
def test_keys_are_selected_and_renamed(
    rules: dict[str, Any], selected: dict[str, str]
) -> None:
    found = select(KEYS, **rules)

    assert found == selected


@pytest.mark.parametrize(
    ("keys", "rename", "said"),
    [
        (["path/to"], [], "'path/to'"),
        (["a b", "c"], [], "'a b'"),
        ([""], [], "''"),
        (["é\n"], [], r"'\xe9\n'"),
        (["a"], [("a", "..")], "'a'"),
        (["a"], [("a", "")], "'a'"),
        (["DB_a", "db_a"], [("DB_*", "db_*")], "'DB_a', 'db_a'"),
        (["c", "b", "a"], [("a", "x"), ("b", "x")], "'a', 'b';"),
        ([f"{n:02}/" for n in range(12)], [], "'09/' and 2 more"),
        (["/" * 100], [], f"'{'/' * 64}'"),
    ],
)
def test_keys_that_cannot_stand_in_a_secret_are_named(
    keys: list[str], rename: list[tuple[str, str]], said: str
) -> None:
    with pytest.raises(KeyInvalid) as caught:
        select(keys, rename=rename)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    "rules",
    [
        {"include": [""]},
        {"exclude": ["a***"]},
        {"rename": [("a*b*", "c*")]},
        {"rename": [("a*", "c")]},
        {"rename": [("a", "c*")]},
        {"rename": [("a*", "c**")]},
        {"rename": [("", "c")]},
    ],
)
def test_rules_that_are_none_are_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec, match="write"):
        select([], **rules)


def test_no_failure_here_is_retried() -> None:
    kinds: list[type[Failure]] = [FieldMissing, InvalidSpec, KeyInvalid, ValueInvalid]

    assert not any(kind.retry for kind in kinds)
