"""Operations: what one asks of the API server, and what that does to the model."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.model.items import Items
from tests.model.model import Declared, Resource, Secret, State

Effect = Callable[[State], State | None]
"""Returns the state after an operation; None where the API server refuses it."""

OURS = "vaultferry.dev"
BY_HAND = "by hand"
"""What every value begins with that somebody else has set."""

JSON = "application/json"
_MERGE = "application/merge-patch+json"
_PATCH = "application/json-patch+json"


@dataclass(frozen=True)
class Operation:
    """One request to the API server about one object."""

    kind: str
    resource: str
    """`vaultsecrets` or `secrets`."""

    name: str
    method: str
    body: Any
    effect: Effect
    content: str = _MERGE
    awaits: bool = False
    """Whether everything has to be at rest before: its effect depends on timing."""

    reverts: bool = False
    """Whether it undoes what an operator wrote, so that it may count as a fight."""

    def __str__(self) -> str:
        """Show what is done to which object, without any value."""
        return f"{self.kind} {self.resource}/{self.name}"


def declare(kind: str, declared: Declared, manifest: Mapping[str, Any]) -> Operation:
    """Create a VaultSecret."""

    def effect(state: State) -> State:
        return state.put(Resource(declared))

    return Operation(
        kind, "vaultsecrets", declared.name, "POST", manifest, effect, JSON
    )


def change(kind: str, declared: Declared, manifest: Mapping[str, Any]) -> Operation:
    """Change the spec of a VaultSecret."""

    def effect(state: State) -> State:
        before = state.get(declared.name)
        assert before is not None
        return state.put(Resource(declared, replace(before.status, observed=False)))

    body = [{"op": "replace", "path": "/spec", "value": manifest["spec"]}]
    return Operation(kind, "vaultsecrets", declared.name, "PATCH", body, effect, _PATCH)


def ask(kind: str, declared: Declared) -> Operation:
    """Ask for a sync by annotation."""

    def effect(state: State) -> State:
        before = state.get(declared.name)
        assert before is not None
        return state.put(replace(before, declared=declared))

    annotations = {f"{OURS}/force-sync": declared.sync}
    body = {"metadata": {"annotations": annotations}}
    return Operation(kind, "vaultsecrets", declared.name, "PATCH", body, effect)


def delete(kind: str, declared: Declared, policy: str) -> Operation:
    """Delete a VaultSecret."""

    def effect(state: State) -> State:
        after = state.drop(declared.name)
        if (
            policy == "Orphan"
            and after.secret
            and after.secret.reference == declared.born
        ):
            return replace(after, secret=replace(after.secret, reference=None))
        return after

    return Operation(
        kind,
        "vaultsecrets",
        declared.name,
        "DELETE",
        {"propagationPolicy": policy},
        effect,
        JSON,
        awaits=policy != "Background",
    )


def handle(
    kind: str,
    name: str,
    patch: Mapping[str, Any],
    changed: Callable[[Secret], Secret | None],
    *,
    reverts: bool = True,
) -> Operation:
    """Change a Secret by hand."""

    def effect(state: State) -> State | None:
        after = changed(state.secret) if state.secret else None
        return replace(state, secret=after) if after else None

    return Operation(
        kind, "secrets", name, "PATCH", dict(patch), effect, reverts=reverts
    )


def annotate(
    kind: str, name: str, key: str, value: str | None, **changed: Any
) -> Operation:
    """Change one of our annotations on a Secret by hand."""
    patch = {"metadata": {"annotations": {f"{OURS}/{key}": value}}}
    return handle(kind, name, patch, lambda secret: replace(secret, **changed))


def edit_data(kind: str, name: str, key: str, value: str | None) -> Operation:
    """Set a key of a Secret by hand, or take it away."""

    def changed(secret: Secret) -> Secret | None:
        data = {k: v for k, v in secret.data if k != key}
        after = frozenset(data.items()) if value is None else _with(data, key, value)
        # To the API server no data and empty data differ, where they must not change.
        if secret.immutable and (after != secret.data or not after):
            return None
        return replace(secret, data=after)

    patch = {"data": {key: None if value is None else encoded(value)}}
    return handle(kind, name, patch, changed)


def mark(kind: str, name: str, key: str, value: str) -> Operation:
    """Set a label and an annotation of a Secret by hand."""

    def changed(secret: Secret) -> Secret:
        return replace(
            secret,
            labels=_with(dict(secret.labels), key, value),
            annotations=_with(dict(secret.annotations), key, value),
        )

    patch = {"metadata": {"labels": {key: value}, "annotations": {key: value}}}
    return handle(kind, name, patch, changed)


def place_foreign(kind: str, name: str, value: str) -> Operation:
    """Make a Secret that nobody asked us for."""
    foreign = Secret(None, "Opaque", frozenset({("password", value)}))

    def effect(state: State) -> State | None:
        return replace(state, secret=foreign) if state.secret is None else None

    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "data": {"password": encoded(value)},
    }
    return Operation(kind, "secrets", name, "POST", body, effect, JSON)


def remove(kind: str, name: str) -> Operation:
    """Delete a Secret by hand."""

    def effect(state: State) -> State | None:
        return replace(state, secret=None) if state.secret else None

    return Operation(kind, "secrets", name, "DELETE", {}, effect, JSON, reverts=True)


def encoded(value: str) -> str:
    """Return a value as a Secret holds it; a character is a byte."""
    return base64.b64encode(value.encode("latin-1")).decode()


def decoded(text: str) -> str:
    """Return a value as the model has it."""
    return base64.b64decode(text).decode("latin-1")


def _with(items: dict[str, str], key: str, value: str) -> Items:
    return frozenset((items | {key: value}).items())
