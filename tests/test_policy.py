"""What client-side apply may remember, as the policy matches it."""

import json
import re
from typing import Any

import pytest

from vaultferry import policy
from vaultferry.core.vaultsecret import Spec

Body = dict[str, Any]

TOKEN = "vf1.fernet.strict.00000000-1.AAAA"


def remembered(**spec: Any) -> Body:
    return {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultSecret",
        "metadata": {"annotations": {}, "name": "db", "namespace": "shop"},
        "spec": {"type": "opaque", "sealed": {"a": TOKEN}, **spec},
    }


def text(body: Body) -> str:
    """Write it as kubectl does."""
    return json.dumps(body, separators=(",", ":"), sort_keys=True) + "\n"


def short(remembered: str) -> str:
    """Cut the tokens out, as the policy does."""
    pieces = f'"vf1."{remembered}'.split('"vf1.')
    return '""'.join(piece[piece.find('"') + 1 :] for piece in pieces)


def found(remembered: str) -> bool:
    return re.search(policy.pattern(), short(remembered)) is not None


def matches(body: Body) -> bool:
    return found(text(body))


NASTY = (
    'quote " brace } { bracket ] [ comma , backslash \\ end \\" ü 漢 \n "spec":{"x":'
)

ALLOWED: dict[str, Body] = {
    "the least": remembered(),
    "plaintext that was cleaned": remembered(sealed={"a": "", "b": ""}),
    "every field": remembered(
        displayName=NASTY,
        description=NASTY,
        entityId="7",
        attributes={"credentials": NASTY, "password": "x"},
        authMethod="token",
        suspend=True,
        target={
            "name": "x",
            "formats": ["fields"],
            "labels": {"a": "b"},
            "annotations": {"a": NASTY},
        },
    ),
    "a field named credentials": remembered(sealed={"credentials": TOKEN}),
    "metadata": remembered()
    | {
        "metadata": {
            "name": "db",
            "labels": {"credentials": "x"},
            "annotations": {"note": NASTY},
            "ownerReferences": [{"kind": "A", "controller": True}],
            "finalizers": ["a/b"],
        }
    },
    "a status": remembered()
    | {
        "status": {
            "conditions": [{"type": "Ready", "x": "y"}],
            "syncedFrom": {"a": {"b": 1}},
        }
    },
    "nothing in the spec": remembered() | {"spec": {}},
}


@pytest.mark.parametrize("case", ALLOWED)
def test_what_vaultsecret_knows_may_be_remembered(case: str) -> None:
    assert matches(ALLOWED[case])


REFUSED: dict[str, Body] = {
    "plaintext": remembered(credentials={"a": "x"}),
    "empty plaintext": remembered(credentials={}),
    "a misspelt key": remembered(credential={"a": "x"}),
    "a capital": remembered(Sealed={"a": "x"}),
    "a text": remembered(password="x"),
    "beside the spec": remembered() | {"credentials": {"a": "x"}},
    "before the spec": remembered() | {"data": {"a": "x"}},
    "after the spec": remembered() | {"values": {"a": "x"}},
    "in the metadata": remembered() | {"metadata": {"name": "db", "password": "x"}},
    "no manifest": {"a": "x"},
    "no spec": {k: v for k, v in remembered().items() if k != "spec"},
    "a spec that is a text": remembered() | {"spec": "x"},
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_might_hold_a_value_may_not(case: str) -> None:
    assert not matches(REFUSED[case])


@pytest.mark.parametrize("beside", ['{"a":"x"}', "x", " "])
def test_nothing_may_stand_beside_the_manifest(beside: str) -> None:
    good = text(remembered())

    assert found(good)
    assert not found(beside + good)
    assert not found(good + beside)


@pytest.mark.parametrize(
    "field", sorted(f.alias or "" for f in Spec.model_fields.values())
)
def test_every_field_but_the_plaintext_is_known(field: str) -> None:
    assert matches(remembered(**{field: "x"})) == (field != "credentials")


def test_tokens_take_no_room() -> None:
    body = remembered(sealed={f"k{i}": TOKEN + "A" * 40_000 for i in range(64)})

    assert len(short(text(body))) < 1024
    assert matches(body)


def test_a_manifest_of_usual_size_can_be_matched() -> None:
    assert policy.longest() >= 32


def test_the_policy_and_its_binding_belong_together() -> None:
    rule, binding = policy.manifests()

    assert binding["spec"]["policyName"] == rule["metadata"]["name"]
    assert binding["spec"]["validationActions"] == ["Deny"]
    assert rule["spec"]["failurePolicy"] == "Fail"
