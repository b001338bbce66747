"""What every module of the folder promises."""

import json
import re

import pytest

from vaultferry import secrettypes
from vaultferry.core.errors import FieldMissing, FieldUnknown, InvalidSpec, ValueInvalid
from vaultferry.core.location import SETTINGS, Location
from vaultferry.core.secrettype import SecretType

TYPES = {name: secrettypes.load(name) for name in secrettypes.names()}
METHODS = {
    f"{kind.name} with {method}": (kind, method)
    for kind in TYPES.values()
    for method in kind.methods
}

every_type = pytest.mark.parametrize(("name", "kind"), TYPES.items(), ids=TYPES)
every_method = pytest.mark.parametrize(
    ("kind", "method"), METHODS.values(), ids=METHODS
)


CANARY = "canary-7d1f"
IN_SHAPES = (
    CANARY,
    f"{CANARY}\n",
    f"https://{CANARY}/?{CANARY}",
    json.dumps({"type": "service_account", "private_key": CANARY}),
    f"dop_v1_{CANARY}",
    f"cfat_{CANARY}",
    CANARY.ljust(40, "x"),
)


def refused(kind: SecretType, method: str, values: dict[str, bytes]) -> str:
    """Return why values are refused, with every cause; nothing if they are not."""
    try:
        kind.check(method, values)
    except ValueInvalid as error:
        return f"{error}{error.__cause__ or ''}{error.__context__ or ''}"
    return ""


@every_type
def test_a_type_is_named_like_its_module(name: str, kind: SecretType) -> None:
    assert kind.name == name
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)


@every_type
def test_a_summary_is_one_phrase(name: str, kind: SecretType) -> None:
    assert name
    assert kind.summary
    assert not kind.summary.endswith(".")
    assert "\n" not in kind.summary


@every_type
def test_a_kubernetes_type_is_one_that_a_target_may_have(
    name: str, kind: SecretType
) -> None:
    assert name
    assert kind.kubernetes_type in {"Opaque", "kubernetes.io/basic-auth"}


@every_type
def test_a_location_has_settings_that_there_are(name: str, kind: SecretType) -> None:
    assert name
    assert set(kind.location) <= set(SETTINGS)
    assert list(kind.location) == sorted(set(kind.location))


@every_type
def test_what_speaks_s3_takes_what_its_address_is_made_of(
    name: str, kind: SecretType
) -> None:
    assert name
    if kind.s3 is not None:
        assert {"bucket", "endpoint", *kind.s3.needs} <= set(kind.location)
        fixed = kind.s3.region is not None and "region" not in kind.location
        assert fixed or "region" in kind.location
        names = {name for fields in kind.methods.values() for name in fields.required}
        assert {kind.s3.key_id, kind.s3.secret_key} <= names


@every_type
def test_exactly_its_settings_are_taken(name: str, kind: SecretType) -> None:
    made_up = {"addressingStyle": "path", "endpoint": "https://example.com"}
    whole = {setting: made_up.get(setting, "a") for setting in SETTINGS}
    own = {setting: whole[setting] for setting in kind.location}

    kind.check_location(Location.model_validate({}))
    kind.check_location(Location.model_validate(own))
    for setting in whole.keys() - own.keys():
        more = own | {setting: whole[setting]}
        with pytest.raises(InvalidSpec, match=f"^type {name} takes ") as caught:
            kind.check_location(Location.model_validate(more))
        assert all(taken in str(caught.value) for taken in kind.location)


@every_method
def test_fields_are_names_and_each_is_there_once(kind: SecretType, method: str) -> None:
    fields = kind.methods[method]

    assert fields.required
    assert len(set(fields.names)) == len(fields.names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in fields.names)


@every_method
def test_exactly_its_fields_are_taken(kind: SecretType, method: str) -> None:
    fields = kind.methods[method]

    kind.check_names(method, fields.names)
    kind.check_names(method, fields.required)
    with pytest.raises(FieldUnknown, match="unknown: another_field"):
        kind.check_names(method, [*fields.names, "another_field"])


@every_method
def test_no_required_field_may_be_absent(kind: SecretType, method: str) -> None:
    for absent in kind.methods[method].required:
        names = [name for name in kind.methods[method].names if name != absent]

        with pytest.raises(FieldMissing, match=f"missing: {absent};"):
            kind.check_names(method, names)


@pytest.mark.parametrize("value", IN_SHAPES)
@every_method
def test_a_value_is_taken_or_refused_by_the_name_of_its_field(
    kind: SecretType, method: str, value: str
) -> None:
    names = kind.methods[method].names

    said = refused(kind, method, dict.fromkeys(names, value.encode()))

    assert CANARY not in said
    assert not said or any(f"field {name} " in said for name in names)


@pytest.mark.parametrize("name", ["canary", "..opaque", "__init__", ""])
def test_a_type_that_is_not_known_is_refused_and_not_quoted(name: str) -> None:
    with pytest.raises(InvalidSpec, match=r"^spec\.type is not known to this version$"):
        secrettypes.load(name)
