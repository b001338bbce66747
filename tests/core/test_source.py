from typing import Any

import pytest

from tests.builders import NAME, seen, vault_secret
from vaultferry.core.consent import ALLOW
from vaultferry.core.errors import FieldMissing, SourceNotAllowed
from vaultferry.core.secret import OWNER, REFUSED_TYPES, Content
from vaultferry.core.source import check_consent, is_relevant, values, viewed

READ = {ALLOW: f"read={NAME}"}
CANARY = b"canary-value"


def content(kind: str = "Opaque", **data: bytes) -> Content:
    return Content(kind, data, immutable=False)


@pytest.mark.parametrize(
    "annotations",
    [
        READ,
        {ALLOW: "read"},
        READ | {OWNER: "elsewhere/db"},
    ],
    ids=["by name", "to all", "a copy from another namespace"],
)
def test_a_secret_that_consents_may_be_read(annotations: dict[str, str]) -> None:
    check_consent(seen(annotations=annotations), vault_secret())


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {ALLOW: "read=other"},
        {ALLOW: "adopt, merge"},
        READ | {OWNER: "team/other"},
        READ | {"merge.vaultferry.dev/x": "{}"},
    ],
    ids=["nothing said", "another", "other words", "a target", "merged into"],
)
def test_a_secret_that_does_not_consent_or_is_written_by_us_may_not(
    annotations: dict[str, str],
) -> None:
    with pytest.raises(SourceNotAllowed):
        check_consent(seen(annotations=annotations), vault_secret())


@pytest.mark.parametrize(
    ("known", "taken"),
    [(("a", "b", "z"), {"a", "b"}), (None, {"a", "b", "c"})],
    ids=["the fields of a type", "all keys"],
)
def test_what_is_a_field_is_taken(known: Any, taken: set[str]) -> None:
    assert set(values(seen(), content(a=b"1", b=b"2", c=b"3"), known)) == taken


@pytest.mark.parametrize("known", [("z",), None])
def test_a_secret_without_any_field_is_an_error(known: Any) -> None:
    holds = content() if known is None else content(a=CANARY)
    with pytest.raises(FieldMissing) as refused:
        values(seen(), holds, known)
    assert CANARY.decode() not in str(refused.value)


@pytest.mark.parametrize("kind", sorted(REFUSED_TYPES))
def test_some_types_are_never_read(kind: str) -> None:
    with pytest.raises(SourceNotAllowed, match=kind):
        values(seen(), content(kind, token=CANARY), None)


def test_what_consents_to_anything_matters() -> None:
    assert is_relevant(seen(annotations=READ))
    assert not is_relevant(seen())


def test_what_a_status_says_of_a_secret_is_the_version_in_view() -> None:
    origin = viewed(seen(resourceVersion="9")).origin

    assert origin is not None
    assert origin.source_secret is not None
    read = origin.source_secret
    assert (read.uid, read.resource_version) == ("uid-of-secret", "9")
