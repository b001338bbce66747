from collections.abc import Mapping

import pytest

from vaultferry.core.errors import FieldMissing, FieldUnknown, InvalidSpec, ValueInvalid
from vaultferry.core.secrettype import Fields, SecretType

FIRST = Fields(required=("id", "key"), optional=("session",))
TYPE = SecretType(
    name="store", summary="one", methods={"first": FIRST, "second": Fields(("url",))}
)
ANY = SecretType(name="any", summary="any keys")

FULL = {"id": b"1", "key": b"2", "session": b"3"}


def without(*names: str) -> dict[str, bytes]:
    return {k: v for k, v in FULL.items() if k not in names}


@pytest.mark.parametrize("method", [None, "first"])
def test_the_first_method_is_the_default(method: str | None) -> None:
    assert TYPE.fields(method) == FIRST
    assert FIRST.names == ("id", "key", "session")


def test_a_method_has_fields_of_its_own() -> None:
    TYPE.check("second", {"url": b"1"})

    with pytest.raises(FieldMissing, match="missing: url; type store takes url"):
        TYPE.check("second", FULL)


@pytest.mark.parametrize("values", [FULL, without("session")])
def test_optional_fields_may_be_left_out(values: dict[str, bytes]) -> None:
    TYPE.check(None, values)


def test_every_missing_field_is_named() -> None:
    with pytest.raises(
        FieldMissing, match="missing: id, key; type store takes id, key"
    ):
        TYPE.check(None, without("id", "key"))


def test_every_unknown_field_is_named() -> None:
    with pytest.raises(FieldUnknown, match="unknown: one, two; type store takes id"):
        TYPE.check(None, FULL | {"two": b"1", "one": b"1"})


@pytest.mark.parametrize("kind", [TYPE, ANY], ids=["with methods", "without"])
def test_no_value_may_be_empty(kind: SecretType) -> None:
    with pytest.raises(ValueInvalid, match="field key is empty"):
        kind.check(None, FULL | {"key": b""})


def _refuse(values: Mapping[str, bytes]) -> None:
    raise ValueInvalid(f"refused: {', '.join(values)}")


CHECKED = SecretType(
    name="store",
    summary="one",
    methods={"first": FIRST, "second": Fields(("url",), checks=(_refuse,))},
)


def test_the_checks_of_the_method_see_all_values() -> None:
    CHECKED.check("first", FULL)

    with pytest.raises(ValueInvalid, match=r"^refused: url$"):
        CHECKED.check("second", {"url": b"1"})


def test_checks_see_only_values_that_are_there() -> None:
    with pytest.raises(ValueInvalid, match="field url is empty"):
        CHECKED.check("second", {"url": b""})
    with pytest.raises(FieldMissing):
        CHECKED.check("second", {})


def test_names_are_checked_without_values() -> None:
    CHECKED.check_names("second", ["url"])
    ANY.check_names(None, ["whatever"])

    with pytest.raises(FieldUnknown, match="unknown: id; type store takes url"):
        CHECKED.check_names("second", ["url", "id"])


def test_a_type_without_methods_takes_any_keys() -> None:
    ANY.check(None, {"whatever": b"1"})

    assert ANY.fields(None) is None


def test_an_unknown_method_is_a_fault_of_the_spec() -> None:
    with pytest.raises(
        InvalidSpec, match=r"type store takes spec.authMethod first, sec"
    ):
        TYPE.check("canary", FULL)
