"""What a label selector selects: the rules of Kubernetes."""

from typing import Any

import pytest
from pydantic import ValidationError

from vaultferry.core.selector import LabelSelector, selects

LABELS = {"team": "shop", "tier": "", "example.com/zone": "eu"}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    given = {"values": list(values)} if values else {}
    return {"matchExpressions": [{"key": key, "operator": operator, **given}]}


@pytest.mark.parametrize(
    ("selector", "labels", "is_selected"),
    [
        ({}, {}, True),
        ({}, LABELS, True),
        ({"matchLabels": {}}, {}, True),
        ({"matchLabels": {"team": "shop"}}, LABELS, True),
        ({"matchLabels": {"team": "shop", "tier": ""}}, LABELS, True),
        ({"matchLabels": {"team": "shop", "tier": "x"}}, LABELS, False),
        ({"matchLabels": {"team": "Shop"}}, LABELS, False),
        ({"matchLabels": {"team": "sho"}}, LABELS, False),
        ({"matchLabels": {"other": ""}}, LABELS, False),
        (expression("team", "In", "lab", "shop"), LABELS, True),
        (expression("team", "In", "lab"), LABELS, False),
        (expression("other", "In", "shop"), LABELS, False),
        (expression("tier", "In", ""), LABELS, True),
        (expression("team", "NotIn", "lab"), LABELS, True),
        (expression("team", "NotIn", "shop"), LABELS, False),
        (expression("other", "NotIn", "shop"), LABELS, True),
        (expression("other", "NotIn", ""), LABELS, True),
        (expression("tier", "NotIn", ""), LABELS, False),
        (expression("tier", "Exists"), LABELS, True),
        (expression("other", "Exists"), LABELS, False),
        (expression("other", "DoesNotExist"), LABELS, True),
        (expression("tier", "DoesNotExist"), LABELS, False),
        (
            {"matchLabels": {"team": "shop"}} | expression("tier", "Exists"),
            LABELS,
            True,
        ),
        (
            {"matchLabels": {"team": "lab"}} | expression("tier", "Exists"),
            LABELS,
            False,
        ),
        ({"matchLabels": {"team": "shop"}} | expression("no", "Exists"), LABELS, False),
    ],
)
def test_a_selector_selects_as_kubernetes_does(
    selector: dict[str, Any], labels: dict[str, str], *, is_selected: bool
) -> None:
    assert selects(LabelSelector.model_validate(selector), labels) is is_selected


def test_every_expression_has_to_be_met() -> None:
    both = [
        {"key": "team", "operator": "Exists"},
        {"key": "other", "operator": "Exists"},
    ]

    assert not selects(LabelSelector.model_validate({"matchExpressions": both}), LABELS)


def test_an_operator_that_is_not_known_is_not_understood() -> None:
    with pytest.raises(ValidationError):
        LabelSelector.model_validate(expression("team", "Gt", "1"))
