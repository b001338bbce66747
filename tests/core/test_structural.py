from typing import Any, Literal

import pytest

from vaultferry.core.model import Model
from vaultferry.core.structural import structural


class Inner(Model):
    """An inner one."""

    count: int = 3


class Outer(Model):
    """An outer one."""

    title: str
    """A field that is named like a keyword."""

    inner: Inner = Inner()
    """What stands beside a reference wins."""

    maybe: Inner | None = None
    many: list[Inner] = []
    by_name: dict[str, Inner] = {}
    word: Literal["a", "b"] | None = None


def properties() -> Any:
    return structural(Outer.model_json_schema())["properties"]


def test_references_are_written_out() -> None:
    inner = {"format": "int64", "type": "integer"}

    assert properties()["inner"]["properties"] == {"count": inner}
    assert properties()["many"]["items"]["properties"] == {"count": inner}
    assert properties()["byName"]["additionalProperties"]["type"] == "object"


def test_what_stands_beside_a_reference_wins() -> None:
    assert (
        properties()["inner"]["description"] == "What stands beside a reference wins."
    )
    assert properties()["many"]["items"]["description"] == "An inner one."


def test_an_optional_is_its_type() -> None:
    assert properties()["word"] == {"enum": ["a", "b"], "type": "string"}
    assert properties()["maybe"]["type"] == "object"


def test_a_field_may_be_named_like_a_keyword() -> None:
    assert properties()["title"]["type"] == "string"


@pytest.mark.parametrize("word", ["'$ref'", "'$defs'", "'anyOf'", "'default'"])
def test_nothing_is_left_that_kubernetes_refuses(word: str) -> None:
    assert word not in str(structural(Outer.model_json_schema()))


def test_a_format_of_a_number_that_is_there_stays() -> None:
    assert structural({"type": "integer", "format": "int32"})["format"] == "int32"


WITHOUT_FORM = {
    "a union": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    "only null": {"anyOf": [{"type": "null"}]},
    "anything": {"description": "Anything."},
}


@pytest.mark.parametrize("schema", WITHOUT_FORM.values(), ids=WITHOUT_FORM)
def test_what_has_no_structural_form_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"structural form|no single type"):
        structural({"type": "object", "properties": {"field": schema}})
