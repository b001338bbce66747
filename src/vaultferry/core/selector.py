"""Label selectors, as Kubernetes has them.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from vaultferry.core.model import Model

_Key = Annotated[str, Field(min_length=1, max_length=317)]
_Value = Annotated[str, Field(max_length=63)]

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]


class Requirement(Model):
    """What a label has to be like."""

    key: _Key
    """The key of the label."""

    operator: Operator
    """`In` or `NotIn` the values, which a label that is not there also is not in;
    `Exists` or `DoesNotExist`, whatever its value."""

    values: Annotated[list[_Value], Field(max_length=64)] = []
    """For `In` and `NotIn`: the values."""


class LabelSelector(Model):
    """Labels, all of which an object has to have; none named: every object."""

    match_labels: Annotated[dict[str, _Value], Field(max_length=64)] = {}
    """Labels with their values."""

    match_expressions: Annotated[list[Requirement], Field(max_length=64)] = []
    """What else labels have to be like."""


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Tell whether an object with these labels is selected."""
    same = all(labels.get(k) == value for k, value in selector.match_labels.items())
    return same and all(_is_met(each, labels) for each in selector.match_expressions)


def _is_met(wanted: Requirement, labels: Mapping[str, str]) -> bool:
    there = wanted.key in labels
    if wanted.operator in {"Exists", "DoesNotExist"}:
        return there is (wanted.operator == "Exists")
    # As `there`, not by a default: an empty value is a value.
    among = there and labels[wanted.key] in wanted.values
    return among is (wanted.operator == "In")
