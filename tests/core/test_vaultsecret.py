from traceback import format_exception
from typing import Any

import pytest

from tests.builders import (
    CANARY,
    OWNER,
    condition,
    edited,
    realised,
    realised_status,
    vault_secret,
    vault_secret_body,
)
from vaultferry.core.errors import InvalidSpec
from vaultferry.core.vaultsecret import Status, VaultSecret, spec_digest

FULL: dict[str, Any] = {
    "type": "token",
    "authMethod": "token",
    "sealed": {"token": "vf1.x"},
    "target": {"name": "app", "labels": {"a": "1"}},
    "ofALaterVersion": {"name": "something"},
}
NOT_REALISED = {
    "suspend": True,
    "displayName": "App",
    "description": "What for.",
    "attributes": {"a": "1"},
    "entityId": "1",
    "refreshInterval": "1h",
}


@pytest.mark.parametrize("field", NOT_REALISED)
def test_a_digest_does_not_depend_on_what_the_secret_does_not_show(field: str) -> None:
    assert spec_digest(FULL | {field: NOT_REALISED[field]}) == spec_digest(FULL)


@pytest.mark.parametrize("field", FULL)
def test_a_digest_depends_on_everything_else(field: str) -> None:
    without = {k: v for k, v in FULL.items() if k != field}

    assert spec_digest(without) != spec_digest(FULL)
    assert spec_digest(FULL | {field: "other"}) != spec_digest(FULL)


def test_a_digest_is_short_and_does_not_depend_on_the_order() -> None:
    assert spec_digest(dict(reversed(FULL.items()))) == spec_digest(FULL)
    assert len(spec_digest(FULL)) == 16


def test_what_is_absent_has_a_default() -> None:
    spec = vault_secret().spec

    assert (spec.suspend, spec.auth_method, spec.credentials) == (False, None, None)
    assert (spec.target.formats, spec.target.creation_policy) == (["fields"], "Owner")


def test_fields_of_a_later_version_are_ignored() -> None:
    assert vault_secret(**FULL, target2={}).spec.type == "token"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a value for a map": ({"sealed": CANARY}, "spec.sealed"),
    "a list of values": ({"sealed": {"token": [CANARY]}}, "spec.sealed.token"),
    "a value too long": (
        {"credentials": {"token": CANARY * 10_000}},
        "spec.credentials.token",
    ),
    "a value for a policy": (
        {"target": {"creationPolicy": CANARY}},
        "spec.target.creationPolicy",
    ),
    "no name": ({"target": {"name": CANARY.upper()}}, "spec.target.name"),
    "no type": ({"type": None}, "spec.type"),
    "an object too deep": (
        {"credentials": {"token": {"nested": {"deep": CANARY}}}},
        "spec.credentials.token",
    ),
    "two at once": ({"suspend": CANARY, "type": [CANARY]}, "spec.suspend, spec.type"),
}


@pytest.mark.parametrize(("spec", "places"), REFUSED.values(), ids=REFUSED)
def test_a_spec_that_is_not_understood_is_named_and_not_quoted(
    spec: dict[str, Any], places: str
) -> None:
    with pytest.raises(InvalidSpec) as caught:
        _ = vault_secret(**spec).spec

    assert str(caught.value) == f"not understood: {places}"
    assert CANARY not in "".join(format_exception(caught.value))
    assert caught.value.__context__ is None


def test_a_bad_spec_still_has_an_identity_and_a_status() -> None:
    resource = vault_secret({"version": 3}, type=None)

    assert (resource.owner, resource.status.version) == (OWNER, 3)


def test_a_resource_without_anything_optional_is_read() -> None:
    metadata = {"namespace": "n", "name": "m", "uid": "u", "resourceVersion": "1"}

    resource = VaultSecret.parse({"metadata": metadata})

    assert (resource.generation, resource.deleting) == (0, False)
    assert resource.status == Status()
    assert resource.status.observed_generation == -1


def test_a_resource_with_a_time_of_deletion_is_going() -> None:
    body = edited(vault_secret_body(), deletionTimestamp="2026-01-01T00:00:00Z")

    assert VaultSecret.parse(body).deleting


@pytest.mark.parametrize(
    ("value", "suspended"),
    [(True, True), (False, False), (None, False), ("yes", False)],
)
def test_only_true_suspends(value: object, *, suspended: bool) -> None:
    assert vault_secret(suspend=value).suspended is suspended


def test_a_resource_is_realised_by_status_and_digest() -> None:
    status = realised_status(vault_secret())

    assert realised().realised
    assert not vault_secret().realised
    assert not vault_secret(status, type="opaque").realised


def test_a_resource_that_is_not_ready_is_not_realised() -> None:
    failed = [condition("Ready", "False").model_dump(by_alias=True)]
    status = realised_status(vault_secret()) | {"conditions": failed}

    assert not vault_secret(status).realised


def test_conditions_are_found_by_their_type() -> None:
    ready = condition("Ready", "True")
    status = Status(conditions=[condition("Fresh", "True"), ready])

    assert status.condition("Ready") == ready
    assert status.condition("Stalled") is None


def test_an_empty_status_says_that_nothing_was_observed() -> None:
    assert Status().dumped() == {"observedGeneration": -1}


def test_a_resource_shows_no_value_and_no_token() -> None:
    last_applied = {"kubectl.kubernetes.io/last-applied-configuration": CANARY}
    body = vault_secret_body(credentials={"token": CANARY})
    resource = VaultSecret.parse(edited(body, annotations=last_applied))
    shown = f"{resource!r} {resource.spec!r}"

    assert "vf1." not in shown
    assert CANARY not in shown
