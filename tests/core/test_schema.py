import pytest

from vaultferry.core.schema import Schema, faults

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}

CASES: dict[str, tuple[Schema, object, str]] = {
    "a number for text": (TEXT, 7, "has another form: write text"),
    "null for text": (TEXT, None, "has another form: write text"),
    "text for a number": (WHOLE, "7", "has another form: write a whole number"),
    "true for a number": (WHOLE, True, "has another form: write a whole number"),
    "text for true": (
        {"type": "boolean"},
        "true",
        "has another form: write true or false",
    ),
    "a list for fields": ({"type": "object"}, [], "has another form: write fields"),
    "text for a list": (
        {"type": "array", "items": TEXT},
        "a",
        "has another form: write a list",
    ),
    "none of several": (
        {**TEXT, "enum": ["a", "b"]},
        "canary",
        "is not known: write one of a, b",
    ),
    "illegal characters": (
        {**TEXT, "pattern": "^[a-z]+$"},
        "a\n",
        "has characters or an order that is not legal here",
    ),
    "empty text": (
        {**TEXT, "minLength": 1},
        "",
        "is too short: write 1 characters or more",
    ),
    "long text": (
        {**TEXT, "maxLength": 5},
        "canary",
        "is too long: 6 characters, at most 5",
    ),
    "an empty list": (
        {"type": "array", "items": TEXT, "minItems": 1},
        [],
        "is too short: write 1 entries or more",
    ),
    "many fields": (
        {"type": "object", "maxProperties": 1, "additionalProperties": TEXT},
        {"a": "", "b": ""},
        "is too long: 2 fields, at most 1",
    ),
}


@pytest.mark.parametrize(("schema", "value", "words"), CASES.values(), ids=CASES)
def test_what_does_not_fit_is_said_without_quoting_it(
    schema: Schema, value: object, words: str
) -> None:
    [fault] = faults(schema, value)

    assert (fault.path, fault.message) == ((), words)
    assert fault.blocks == (not words.startswith(("is too short", "has characters")))


OBJECT: Schema = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": TEXT,
        "formats": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
        "many": {"type": "array", "items": TEXT},
        "values": {"type": "object", "additionalProperties": TEXT},
    },
}


def test_what_fits_has_no_fault() -> None:
    value = {"name": "a", "formats": ["a"], "many": ["a", "a"], "values": {"any": "a"}}

    assert list(faults(OBJECT, value)) == []


def test_every_fault_is_found_with_its_place() -> None:
    value = {"nam": "a", "formats": ["a", 7, "a"], "values": {"any": 7}}

    found = {fault.path: fault.message for fault in faults(OBJECT, value)}

    assert found == {
        ("name",): "is missing: write it",
        ("nam",): "is no field here: write name",
        ("formats", 1): "has another form: write text",
        ("formats", 2): "is there twice: write it once",
        ("values", "any"): "has another form: write text",
    }


def test_a_field_like_none_is_answered_with_all() -> None:
    [fault] = faults(OBJECT, {"name": "a", "hunter2": "a"})

    assert fault.message == ("is no field here: known are name, formats, many, values")


def test_where_no_field_is_described_any_is_let_pass() -> None:
    assert list(faults({"type": "object"}, {"any": 7})) == []


def test_a_length_is_counted_in_characters() -> None:
    assert list(faults({**TEXT, "maxLength": 3}, "äöü")) == []
