"""What rotation does to one VaultSecret."""

from typing import Any

import pytest

from tests.builders import NAME, NAMESPACE, Body, vault_secret_body
from tests.keyrings import keyring, seal
from tests.patches import merge_patched
from vaultferry.core.errors import Failure, TokenMalformed, TokenNotOpened, UnknownKeyId
from vaultferry.core.rotation import MANAGER, Leave, Rewrite, needed
from vaultferry.core.sealing import Place, Scope, Token
from vaultferry.core.suites import Suite

BOTH = keyring(2, 1)
A, B = Place(NAMESPACE, NAME, "a"), Place(NAMESPACE, NAME, "b")
OLD = {
    "a": seal(Suite.HPKE_X25519, place=A),
    "b": seal(Suite.FERNET, Scope.NAMESPACE, place=B),
}


def keeping(manager: str, *fields: str, **more: str) -> Body:
    """Return an entry of managedFields for fields of the spec."""
    paths: Body = {"f:spec": {f"f:{field}": {} for field in fields}}
    update = {"manager": manager, "operation": "Update", "fieldsType": "FieldsV1"}
    return update | more | {"fieldsV1": paths}


def resource(sealed: dict[str, str] | None = None, *managers: Body) -> Body:
    body = vault_secret_body(type="opaque", sealed=OLD if sealed is None else sealed)
    body["metadata"]["managedFields"] = list(managers)
    return body


def patch(body: Body) -> Body:
    step = needed(BOTH, body)
    assert isinstance(step, Rewrite)
    return dict(step.patch)


@pytest.mark.parametrize(
    "managers",
    [
        (),
        (keeping(MANAGER, "sealed"),),
        (keeping("vaultferry", "sealed", "type", operation="Apply"),),
        (keeping("kubectl", "type"), keeping(MANAGER, "sealed")),
        (
            {
                "manager": "kubectl",
                "subresource": "status",
                "fieldsV1": {"f:status": {}},
            },
        ),
        ({"manager": "old"},),
    ],
    ids=["nobody", "rotate", "ours", "others the rest", "status", "no fields"],
)
def test_what_nobody_else_keeps_is_moved_to_the_newest_key(managers: Any) -> None:
    body = resource(None, *managers)

    after = merge_patched(body, patch(body))

    sealed = after["spec"]["sealed"]
    assert [keyring(2).open(sealed[p.field], p) for p in (A, B)] == [
        b"canary-plaintext"
    ] * 2
    headers = [Token.parse(sealed[field], field).header for field in ("a", "b")]
    assert [(h.suite, h.scope) for h in headers] == [
        (Suite.HPKE_X25519, Scope.STRICT),
        (Suite.FERNET, Scope.NAMESPACE),
    ]


def test_the_patch_changes_the_tokens_and_fails_where_the_resource_moved() -> None:
    body = resource()

    found = patch(body)

    assert found["metadata"] == {"uid": body["metadata"]["uid"], "resourceVersion": "1"}
    assert found["spec"].keys() == {"sealed"}
    assert found.keys() == {"metadata", "spec"}


def test_after_that_there_is_nothing_to_do() -> None:
    body = resource()

    assert needed(BOTH, merge_patched(body, patch(body))) is None


def test_only_the_tokens_of_older_keys_are_exchanged() -> None:
    new = seal(Suite.HPKE_MLKEM768X25519, place=A, ring=BOTH)

    found = patch(resource(OLD | {"a": new}))

    assert found["spec"]["sealed"]["a"] == new
    assert found["spec"]["sealed"]["b"] != OLD["b"]


def test_another_epoch_of_the_newest_root_key_is_older() -> None:
    before = seal(Suite.FERNET, place=A, ring=keyring(2, epoch=3))

    assert isinstance(needed(BOTH, resource({"a": before})), Rewrite)


@pytest.mark.parametrize("manager", ["kubectl-client-side-apply", "argocd", "before"])
def test_what_somebody_else_keeps_is_left(manager: str) -> None:
    ours, theirs = keeping(MANAGER, "sealed"), keeping(manager, "sealed", "type")

    assert needed(BOTH, resource(None, ours, theirs)) == Leave((manager,))


def test_what_needs_nothing_is_nothing_whoever_keeps_it() -> None:
    new = {"a": seal(Suite.FERNET, place=A, ring=BOTH)}

    assert needed(BOTH, resource(new, keeping("argocd", "sealed"))) is None
    assert needed(BOTH, resource({})) is None
    assert needed(BOTH, vault_secret_body() | {"spec": None}) is None


def test_what_is_being_deleted_is_left_alone() -> None:
    body = resource()
    body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    assert needed(BOTH, body) is None


@pytest.mark.parametrize(
    ("sealed", "error"),
    [
        ({"a": OLD["b"].replace(".namespace.", ".cluster.")}, TokenNotOpened),
        ({"a": OLD["a"], "b": OLD["a"]}, TokenNotOpened),
        ({"a": seal(Suite.FERNET, place=A, ring=keyring(3))}, UnknownKeyId),
        ({"a": OLD["a"], "b": "hunter2"}, TokenMalformed),
    ],
    ids=["widened", "moved", "unknown", "no token"],
)
def test_where_one_token_does_not_open_none_is_exchanged(
    sealed: dict[str, str], error: type[Failure]
) -> None:
    with pytest.raises(error):
        needed(BOTH, resource(sealed))
