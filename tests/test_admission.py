"""The rules of the CRD, evaluated without an API server, over its own tests' tables.

`tests/e2e/test_admission.py` asks both about each case.
"""

from typing import Any

import pytest

from tests.e2e import pairs
from tests.e2e.test_admission import ACCEPTED, CANARY, REFUSED, WRONG_JSON
from vaultferry import admission
from vaultferry.admission import refused
from vaultferry.core.schema import Fault

TABLE = REFUSED | WRONG_JSON


def resource(spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultSecret",
        "metadata": {"name": "db"},
        "spec": spec,
    }


@pytest.mark.parametrize("case", pairs.FITTING)
def test_the_fields_of_a_type_and_method_are_accepted(case: str) -> None:
    assert refused(resource(pairs.FITTING[case])) == []


@pytest.mark.parametrize("case", pairs.WRONG)
def test_what_does_not_fit_a_type_and_method_is_refused_in_the_same_words(
    case: str,
) -> None:
    spec, words = pairs.WRONG[case]

    said = [fault.message for fault in refused(resource(spec))]

    assert any(words in message for message in said)
    assert not [message for message in said if pairs.VALUE in message]


@pytest.mark.parametrize("case", TABLE)
def test_bad_input_is_refused_and_not_quoted(case: str) -> None:
    said = refused(resource(TABLE[case][0]))

    assert said
    assert not [fault for fault in said if CANARY in fault.message]


@pytest.mark.parametrize("case", ACCEPTED)
def test_good_input_is_accepted_up_to_the_limits(case: str) -> None:
    assert refused(resource(ACCEPTED[case])) == []


def test_a_resource_without_a_spec_is_refused() -> None:
    body = resource({})
    del body["spec"]

    assert [fault.path for fault in refused(body)] == [("spec",)]


def test_a_field_that_is_not_known_is_refused_with_the_one_meant() -> None:
    [fault] = refused(resource(ACCEPTED["the least"] | {"suspended": True}))

    assert fault.path == ("spec", "suspended")
    assert fault.message == "is no field here: write suspend"


def test_a_rule_that_cannot_be_evaluated_refuses_as_it_does_on_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rule = {"rule": "self.kind.absent", "message": "cannot be"}
    kind = {"kind": {"type": "string"}}
    schema = {"type": "object", "properties": kind, "x-kubernetes-validations": [rule]}
    monkeypatch.setattr(admission, "_schema", lambda _: schema)

    assert refused({"kind": "VaultSecret"}) == [Fault((), "cannot be")]
