"""Which references and keys a glob matches."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cputime import ratio
from vaultferry.core.globs import fault, matches, may_begin


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("op://DevOps/App/key", "op://DevOps/App/key"),
        ("op://DevOps/*/key", "op://DevOps/App/key"),
        ("op://DevOps/*/key", "op://DevOps//key"),
        ("op://DevOps/App-*", "op://DevOps/App-"),
        ("op://DevOps/**", "op://DevOps/App/section/key"),
        ("op://DevOps/**/key", "op://DevOps/App/section/key"),
        ("**", ""),
        ("**", "any/thing"),
        ("**/key", "/key"),
        ("*", "thing"),
        ("*", ""),
        ("a*b**c*d", "abxbc/cd"),
        ("a?[b]\\{c}", "a?[b]\\{c}"),
        ("*/", "a/"),
        ("ü*", "üß"),
    ],
)
def test_a_glob_matches(pattern: str, text: str) -> None:
    assert fault(pattern) is None
    assert matches(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("op://DevOps/*", "op://DevOps/App/key"),
        ("op://DevOps/**", "op://DevOps"),
        ("op://DevOps/**", "op://DevOps2/App"),
        ("op://DevOps/**", "xop://DevOps/App"),
        ("op://DevOps/App", "op://DevOps/App "),
        ("op://DevOps/App", "op://DevOps/App\n"),
        ("op://devops/App", "op://DevOps/App"),
        ("a?c", "abc"),
        ("[ab]", "a"),
        ("*", "/"),
        ("*a", "ab"),
        ("a", ""),
        ("a", "aa"),
        ("a*b", "a/b"),
    ],
)
def test_a_glob_does_not_match(pattern: str, text: str) -> None:
    assert fault(pattern) is None
    assert not matches(pattern, text)


def test_without_segments_a_star_is_any_run() -> None:
    assert matches("a*b", "a/x/b", segmented=False)
    assert matches("a**b", "a/x/b", segmented=False)
    assert not matches("a*b", "a/x/c", segmented=False)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("", "write **"),
        ("a***", "write *"),
        ("****", "write *"),
        ("a" * 1025, "at most 1024"),
        ("a\nb", "control"),
        ("a\x00", "control"),
    ],
)
def test_a_glob_that_is_none_matches_nothing(pattern: str, said: str) -> None:
    assert said in (fault(pattern) or "")
    assert not matches(pattern, pattern)
    assert not matches(pattern, "a")


@given(st.text("ab/*", max_size=10), st.text("ab/*", max_size=10))
def test_a_glob_matches_what_the_expression_does(pattern: str, text: str) -> None:
    def expression(segment: str) -> str:
        parts = re.split(r"(\*\*|\*)", pattern)
        stars = {"**": ".*", "*": segment}
        return "".join(stars.get(part, re.escape(part)) for part in parts)

    valid = fault(pattern) is None
    for segmented, segment in ((True, "[^/]*"), (False, ".*")):
        found = re.fullmatch(expression(segment), text)
        assert matches(pattern, text, segmented=segmented) == (valid and bool(found))


@pytest.mark.parametrize(
    ("hostile", "text"), [("**a" * 8 + "b", "a" * 16), ("*a" * 8 + "b", "a" * 16)]
)
def test_no_glob_takes_long(hostile: str, text: str) -> None:
    harmless = "a" * len(hostile)

    # Backtracking takes thousands of times as long.
    assert ratio(lambda: matches(hostile, text), lambda: matches(harmless, text)) < 10


@pytest.mark.parametrize(
    ("hostile", "text"),
    [("**a" * 340 + "b", "a" * 10_000), ("*a" * 500, "a/" * 5_000)],
)
def test_the_longest_globs_come_to_an_end(hostile: str, text: str) -> None:
    assert fault(hostile) is None
    assert not matches(hostile, text)


@pytest.mark.parametrize(
    ("pattern", "begun", "expected"),
    [
        ("shop/**", "", True),
        ("shop/**", "shop/", True),
        ("shop/**", "shop/db/", True),
        ("shop/*", "shop/", True),
        ("shop/*", "shop/db/", False),
        ("shop/db-*/key", "shop/db-1/", True),
        ("shop/db-*/key", "shop/web/", False),
        ("*/db/**", "any/db/", True),
        ("shop", "shop/", False),
        ("other/**", "shop/", False),
        ("***", "", False),
    ],
)
def test_a_glob_may_match_what_begins_so(
    pattern: str, begun: str, *, expected: bool
) -> None:
    assert may_begin(pattern, begun) is expected


@given(st.text("ab/*", max_size=8), st.text("ab/", max_size=6), st.data())
def test_what_matches_began_as_it_may(
    pattern: str, text: str, data: st.DataObject
) -> None:
    begun = text[: data.draw(st.integers(0, len(text)))]

    assert may_begin(pattern, begun) or not matches(pattern, text)
