"""Who consents to what, and what consents to nothing."""

from fnmatch import fnmatchcase
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cputime import ratio
from vaultferry.core.consent import ALLOW, Word, allows, fits


@pytest.mark.parametrize(
    "text",
    [
        "merge",
        "merge=app",
        "merge=*",
        "merge=app*",
        "merge=a?p",
        "adopt, merge",
        "adopt=other,merge=db,merge=app",
        "read,token,restart,adopt,merge",
        " merge ",
    ],
)
def test_a_word_consents_for_the_names_that_its_glob_fits(text: str) -> None:
    assert allows({ALLOW: text}, "merge", "app")


@pytest.mark.parametrize(
    "text", ["adopt", "merge=db", "merge=ap", "merge=apps", "merge=?", "adopt=app"]
)
def test_another_word_or_another_name_is_no_consent(text: str) -> None:
    assert not allows({ALLOW: text}, "merge", "app")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "merge,",
        "merge,,adopt",
        "Merge",
        "merge adopt",
        "merge;adopt",
        "merge =db",
        "merge= app",
        "merge=",
        "merge==app",
        "merge=app=app",
        "merge=[a-z]*",
        "merge=App",
        "merge, app-*",
        "merge,everything",
        "merge\n",
        "merge\tadopt",
        "merge=app,=db",
        '["merge"]',
        "=app",
        "*",
        "merge=" + "a" * 254,
        "merge," * 1000 + "merge",
    ],
    ids=repr,
)
def test_a_garbled_text_consents_to_nothing(text: str) -> None:
    words = get_args(Word)

    assert not any(allows({ALLOW: text}, word, "app") for word in words)
    assert len(words) == 5


def test_without_the_annotation_there_is_no_consent() -> None:
    assert not allows({"vaultferry.dev/other": "merge"}, "merge", "app")


@given(st.text("ab*?", max_size=12), st.text("ab", max_size=12))
def test_a_glob_fits_what_a_shell_pattern_does(glob: str, name: str) -> None:
    assert fits(glob, name) == fnmatchcase(name, glob)


@given(st.text(max_size=30))
def test_no_text_is_an_error(text: str) -> None:
    allows({ALLOW: text}, "merge", "app")


def test_no_glob_takes_long() -> None:
    hostile, harmless, name = "*a" * 8 + "b", "?" * 16, "a" * 16

    # Backtracking takes thousands of times as long.
    assert ratio(lambda: fits(hostile, name), lambda: fits(harmless, name)) < 10
    assert not fits("*a" * 126 + "b", "a" * 253)
