import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import secret_body, seen
from vaultferry.core.secret import FINGERPRINT, VERSION, Content, Seen, encoded


def test_the_metadata_of_a_bare_secret_is_empty() -> None:
    there = seen()

    assert (there.labels, there.annotations, there.owner_references) == ({}, {}, ())
    assert (there.version, there.fingerprint, there.deleting) == (None, None, False)
    assert there.identity == ("uid-of-secret", "7")


def test_null_is_as_good_as_absent() -> None:
    nulls = {"labels": None, "annotations": None, "ownerReferences": None}

    assert seen(**nulls) == seen()


def test_a_secret_with_a_time_of_deletion_is_going() -> None:
    assert seen(deletionTimestamp="2026-01-01T00:00:00Z").deleting


VERSIONS = {
    "1": 1,
    "12": 12,
    "": None,
    "0": None,
    "01": None,
    "-1": None,
    "+1": None,
    "1 ": None,
    "1.0": None,
    "²": None,
    "\u0661": None,
    "9" * 18: 10**18 - 1,
    "9" * 19: None,
    "9" * 5_000: None,
}


@pytest.mark.parametrize(
    ("text", "version"), VERSIONS.items(), ids=[text[:20] for text in VERSIONS]
)
def test_a_version_is_a_number_that_a_status_can_hold(
    text: str, version: int | None
) -> None:
    assert seen(annotations={VERSION: text}).version == version


def test_a_fingerprint_is_read_as_it_is() -> None:
    assert seen(annotations={FINGERPRINT: "f"}).fingerprint == "f"


@given(st.dictionaries(st.text(max_size=3), st.binary(max_size=9), max_size=3))
def test_data_is_read_as_it_was_written(data: dict[str, bytes]) -> None:
    content = Content.parse({"data": encoded(data)})

    assert content.data == data


def test_a_bare_secret_is_opaque_empty_and_mutable() -> None:
    content = Content.parse({"data": None})

    assert (content.type, content.data, content.immutable) == ("Opaque", {}, False)


def test_type_and_immutability_are_read() -> None:
    content = Content.parse({"type": "example.com/x", "immutable": True})

    assert (content.type, content.immutable) == ("example.com/x", True)


def test_content_does_not_show_itself() -> None:
    last_applied = {"kubectl.kubernetes.io/last-applied-configuration": "canary"}
    body = secret_body(annotations=last_applied) | {"data": encoded({"key": b"canary"})}
    shown = f"{Content.parse(body)!r} {Seen.parse(body)!r}"

    assert "canary" not in shown
    assert "Y2FuYXJ5" not in shown
