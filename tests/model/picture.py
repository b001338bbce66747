"""What can be seen of a state: of one in the model, and of the real one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.model.items import Items
from tests.model.model import Secret, State, Status
from tests.model.observer import Scene
from tests.model.operations import OURS, decoded
from tests.model.shared import Shared
from vaultferry.core.consent import ALLOW
from vaultferry.core.merge import PREFIX

Body = Mapping[str, Any]

_OWN = tuple(f"{OURS}/{key}" for key in ("owner", "version", "fingerprint", "metadata"))


@dataclass(frozen=True)
class Said:
    """What the status of a VaultSecret says."""

    ready: bool | None
    reason: str | None
    fresh: bool
    observed: bool
    version: int | None
    handled: str | None


@dataclass(frozen=True)
class Held:
    """What a Secret holds, and whose it is."""

    owner: str | None
    type: str
    data: Items
    labels: Items
    annotations: Items
    managed: bool
    reference: int | None
    version: int | None
    immutable: bool


@dataclass(frozen=True)
class HeldTogether:
    """What a Secret holds that VaultSecrets merge into."""

    data: Items
    annotations: Items
    labels: Items
    consents: bool
    versions: Items
    """That of each VaultSecret that has a record there."""


@dataclass(frozen=True)
class Picture:
    """All that can be seen of one target Secret and who wants it."""

    said: tuple[tuple[str, Said], ...]
    held: Held | HeldTogether | None


def of_state(state: State) -> Picture:
    """Return what a state of the model looks like."""
    said = tuple((r.declared.name, _said(r.status)) for r in state.resources)
    if state.shared:
        return Picture(said, _held_together(state.shared))
    return Picture(said, _held(state.secret) if state.secret else None)


def of_scene(
    scene: Scene,
    namespace: str,
    target: str,
    born: Mapping[str, int],
    *,
    together: bool,
) -> Picture:
    """Return what is there.

    Args:
        scene: what was seen of the namespace.
        namespace: its name.
        target: the name of the Secret.
        born: the model's number for each uid of a VaultSecret.
        together: whether they merge into it.
    """
    names = sorted((target, f"{target}-rival"))
    found = ((name, scene.get("vaultsecrets", name)) for name in names)
    said = tuple((name, _said_by(body)) for name, body in found if body)
    secret = scene.get("secrets", target)
    if secret and together:
        return Picture(said, _held_together_by(secret))
    return Picture(said, _held_by(secret, namespace, born) if secret else None)


def differences(one: Picture, other: Picture) -> list[str]:
    """Return what differs, for people; it names no values of credentials."""
    found = [_differing(f"Secret {k}", a, b) for k, a, b in _fields(one, other)]
    if [name for name, _ in one.said] != [name for name, _ in other.said]:
        return [*found, "which VaultSecrets there are"]
    for (name, a), (_, b) in zip(one.said, other.said, strict=True):
        found += [
            _differing(f"{name} {k}", vars(a)[k], vars(b)[k])
            for k in vars(a)
            if vars(a)[k] != vars(b)[k]
        ]
    return found


def _fields(one: Picture, other: Picture) -> list[tuple[str, Any, Any]]:
    if one.held is None or other.held is None:
        there = one.held is not None, other.held is not None
        return [("exists", *there)] if one.held != other.held else []
    a, b = vars(one.held), vars(other.held)
    return [(k, a[k], b[k]) for k in a if a[k] != b[k]]


def _differing(what: str, wanted: Any, there: Any) -> str:
    if isinstance(wanted, frozenset):
        wanted, there = sorted(wanted - there), sorted(there - wanted)
    return f"{what}: wanted {wanted!r}, found {there!r}"


def _said(status: Status) -> Said:
    return Said(
        ready=status.ready,
        reason=status.reason,
        fresh=status.fresh,
        observed=status.observed,
        version=status.version,
        handled=status.handled,
    )


def _held(secret: Secret) -> Held:
    return Held(
        owner=secret.owner,
        type=secret.type,
        data=secret.data,
        labels=secret.labels,
        annotations=secret.annotations,
        managed=secret.managed,
        reference=secret.reference,
        version=secret.version,
        immutable=secret.immutable,
    )


def _held_together(shared: Shared) -> HeldTogether:
    return HeldTogether(
        data=frozenset((key, value) for key, value, _ in shared.data),
        annotations=shared.marks,
        labels=shared.marks,
        consents=shared.consents,
        versions=frozenset((each.name, str(each.version)) for each in shared.records),
    )


def _held_together_by(body: Body) -> HeldTogether:
    metadata = body["metadata"]
    notes = dict(metadata.get("annotations") or {})
    consents = notes.pop(ALLOW, None) == "merge"
    records = {key: notes.pop(key) for key in list(notes) if key.startswith(PREFIX)}
    told = [json.loads(record) for record in records.values()]
    return HeldTogether(
        data=data(body),
        annotations=_items(notes),
        labels=_items(metadata.get("labels") or {}),
        consents=consents,
        versions=frozenset((each["name"], str(each["version"])) for each in told),
    )


def _said_by(body: Body) -> Said:
    status, generation = body.get("status") or {}, body["metadata"]["generation"]
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    ready = conditions.get("Ready")
    up_to_date = {c["observedGeneration"] for c in conditions.values()} <= {generation}
    return Said(
        ready=ready["status"] == "True" if ready else None,
        reason=_reason(conditions),
        fresh=not (ready and ready["status"] == "True" and "Fresh" in conditions),
        observed=status.get("observedGeneration") == generation and up_to_date,
        version=status.get("version"),
        handled=status.get("lastHandledSync"),
    )


def _reason(conditions: Mapping[str, Body]) -> str | None:
    """Return the reason of Ready; a false one has to be Stalled for it as well.

    Nothing in these tests is of the failures that pass by themselves.
    """
    if "Ready" not in conditions:
        return None
    reason = str(conditions["Ready"]["reason"])
    kinds = set(conditions) - {"Ready", "Fresh"}
    wanted = set() if conditions["Ready"]["status"] == "True" else {"Stalled"}
    told = {conditions[kind]["reason"] for kind in kinds}
    if kinds == wanted and told <= {reason}:
        return reason
    return f"{reason} beside {', '.join(sorted(kinds)) or 'nothing'}"


def _held_by(body: Body, namespace: str, born: Mapping[str, int]) -> Held:
    metadata = body["metadata"]
    labels = dict(metadata.get("labels") or {})
    annotations = dict(metadata.get("annotations") or {})
    owner = annotations.get(f"{OURS}/owner")
    version = annotations.get(f"{OURS}/version")
    return Held(
        owner=owner.removeprefix(f"{namespace}/") if owner else None,
        type=body["type"],
        data=data(body),
        labels=_items({k: v for k, v in labels.items() if not k.startswith(OURS)}),
        annotations=_items({k: v for k, v in annotations.items() if k not in _OWN}),
        managed=labels.get(f"{OURS}/managed") == "true",
        reference=_reference(metadata.get("ownerReferences") or [], born),
        version=int(version) if version else None,
        immutable=bool(body.get("immutable")),
    )


def data(body: Body) -> Items:
    """Return the data of a Secret."""
    return _items({k: decoded(v) for k, v in (body.get("data") or {}).items()})


def _reference(references: list[Body], born: Mapping[str, int]) -> int | None:
    numbers = [born.get(reference["uid"], -1) for reference in references]
    assert len(numbers) <= 1, "more than one owner reference"
    return numbers[0] if numbers else None


def _items(pairs: Mapping[str, str]) -> Items:
    return frozenset(pairs.items())
