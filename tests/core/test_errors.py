import re
from inspect import getdoc, getmembers, isclass
from pathlib import Path

import pytest

from vaultferry.core import errors
from vaultferry.core.errors import Failure, NeedsPerson, VaultFailure, WillRetry

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"

GROUPS = {Failure, WillRetry, VaultFailure, NeedsPerson}
ALL = {
    name: kind
    for name, kind in getmembers(errors, isclass)
    if issubclass(kind, Exception)
}
FAILURES = {n: k for n, k in ALL.items() if issubclass(k, Failure) and k not in GROUPS}


def tree() -> list[str]:
    """Return the names in the module's docstring, the group before its members."""
    return re.findall(
        r"^[│├└─ ]*([A-Z]\w+)(?: {2,}|$)", errors.__doc__ or "", re.MULTILINE
    )


def rows() -> dict[str, str]:
    """Return what the page says of being retried, by reason."""
    return dict(
        re.findall(r"^\| `(\w+)` \| ([\w ]+) \|", PAGE.read_text(), re.MULTILINE)
    )


@pytest.mark.parametrize("kind", ALL.values(), ids=ALL)
def test_an_error_says_in_one_sentence_what_it_means(kind: type[Exception]) -> None:
    own = kind.__doc__ or ""

    assert own.endswith(".")
    assert getdoc(kind) == own


def test_every_error_stands_in_the_tree() -> None:
    assert sorted(tree()) == sorted(ALL)


@pytest.mark.parametrize("group", [WillRetry, VaultFailure, NeedsPerson])
def test_a_failure_stands_under_its_group(group: type[Failure]) -> None:
    below = tree()[tree().index(group.__name__) + 1 :]
    members = [
        name
        for name, kind in ALL.items()
        if issubclass(kind, group) and kind is not group
    ]

    assert sorted(below[: len(members)]) == sorted(members)


def test_every_error_has_a_row_on_its_page() -> None:
    assert sorted(rows()) == sorted(ALL.keys() - {kind.__name__ for kind in GROUPS})


@pytest.mark.parametrize("kind", FAILURES.values(), ids=FAILURES)
def test_the_page_says_what_is_retried(kind: type[Failure]) -> None:
    final = kind is errors.NamespaceTerminating
    said = "no more" if final else "yes" if kind.retry else "no"

    assert rows()[kind.__name__] == said


@pytest.mark.parametrize("kind", FAILURES.values(), ids=FAILURES)
def test_the_name_of_a_failure_is_its_reason(kind: type[Failure]) -> None:
    assert kind("a message").reason == kind.__name__


@pytest.mark.parametrize("kind", FAILURES.values(), ids=FAILURES)
def test_a_failure_is_in_exactly_one_group(kind: type[Failure]) -> None:
    assert issubclass(kind, WillRetry) is not issubclass(kind, NeedsPerson)
    assert kind.retry is issubclass(kind, WillRetry)


def test_only_what_is_wrong_with_values_is_of_the_source() -> None:
    of_source = {name for name, kind in FAILURES.items() if kind.of_source}

    tokens = {"TokenMalformed", "TokenNotOpened", "UnknownKeyId"}
    secrets = {"SourceMissing", "SourceNotAllowed"}
    values = {"FieldMissing", "FieldUnknown", "ValueExpired", "ValueInvalid"}
    places = {"ConnectionMissing", "PlaceForbidden", "PlaceMissing", "ReferenceInvalid"}
    vaults = {name for name, k in FAILURES.items() if issubclass(k, VaultFailure)}
    assert of_source == tokens | secrets | values | places | vaults
