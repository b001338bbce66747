"""What a store keeps of a VaultSecret besides its Secret: where, whose, and since when.

The status says where before anything is written there, and the finalizer stands before
that: so whatever ends the operator, what is there is known and is taken away.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vaultferry.core import conditions, requests
from vaultferry.core.condition import Condition
from vaultferry.core.errors import Conflict, Failure
from vaultferry.core.events import Event
from vaultferry.core.model import GROUP
from vaultferry.core.vaultsecret import FORCE_SYNC, Status, Stored, VaultSecret

FINALIZER = f"{GROUP}/stored"
"""Keeps a VaultSecret until what a store keeps of it is taken away."""

INSTALLATION = f"{GROUP}/installation"
NAMESPACE = f"{GROUP}/namespace"
NAME = f"{GROUP}/name"

CONDITION = "Stored"

_STORED = "The store holds the values of the Secret."

Tags = Mapping[str, str]


@dataclass(frozen=True)
class Place:
    """Where a store keeps the values of one VaultSecret."""

    connection: str
    """The uid of the VaultConnection."""

    namespace: str
    name: str
    address: str
    path: str

    def of(self, field: str) -> str:
        """Return the name of a field there."""
        return f"{self.path}/{field}"


def concerns(resource: VaultSecret) -> bool:
    """Tell whether a store keeps values of a resource, did, or is to."""
    held = FINALIZER in resource.finalizers
    return held or resource.store is not None or resource.status.stored is not None


def place(stored: Stored) -> Place:
    """Return the place that a status speaks of."""
    return Place(
        stored.connection, stored.namespace, stored.name, stored.address, stored.path
    )


def is_there(stored: Stored, wanted: Place) -> bool:
    """Tell whether a status speaks of a place.

    Another VaultConnection of that name may be made for the same store.
    """
    return _where(place(stored)) == _where(wanted)


def is_kept(resource: VaultSecret, wanted: Place) -> bool:
    """Tell whether the values of a resource are there, as far as the status knows."""
    said, there = resource.status.condition(CONDITION), resource.status.stored
    well = said is not None and said.status == "True"
    return well and there is not None and there == done(resource, wanted, there.fields)


def ahead(resource: VaultSecret, wanted: Place, fields: Iterable[str]) -> Stored:
    """Return what a status has to say before fields are written to a place."""
    before = resource.status.stored
    known = before.fields if before else ()
    if before and before.connection == wanted.connection and {*fields} <= {*known}:
        return before
    return _stored(wanted, {*known, *fields})


def done(resource: VaultSecret, wanted: Place, fields: Iterable[str]) -> Stored:
    """Return what a status says once the values of a resource are at a place."""
    return _stored(wanted, fields).model_copy(
        update={
            "version": resource.status.version,
            "last_handled_sync": asked_sync(resource),
        }
    )


def tags(installation: str, namespace: str, name: str) -> Tags:
    """Return the tags of what is kept of a VaultSecret."""
    return {INSTALLATION: installation, NAMESPACE: namespace, NAME: name}


def is_ours(found: Tags | None, ours: Tags) -> bool:
    """Tell whether something that is there has our tags; None: nothing is there."""
    return found is not None and ours.items() <= found.items()


def check_ours(found: Mapping[str, Tags | None], ours: Tags) -> None:
    """Check that what is there under names has our tags.

    Raises:
        Conflict: some of it has not.
    """
    others = [n for n, t in found.items() if t is not None and not is_ours(t, ours)]
    if others:
        raise Conflict(
            f"the store has {', '.join(sorted(others))}, which is not of this "
            "VaultSecret: delete it there, or make a VaultSecret of another name"
        )


def with_stored(
    resource: VaultSecret, stored: Stored, generation: int, now: str
) -> Status:
    """Return a status that says where the values are, and that they are.

    Args:
        resource: the resource as it is now.
        stored: where.
        generation: whose values they are.
        now: the present time, RFC 3339.
    """
    said = _said(resource, "True", CONDITION, _STORED, now).model_copy(
        update={"observed_generation": generation}
    )
    return resource.status.model_copy(
        update={"stored": stored, "conditions": _conditions(resource, said)}
    )


def with_failure(resource: VaultSecret, failure: Failure, now: str) -> Status:
    """Return a status that says why the values are not in the store.

    While they are not, the reason of a failure that passes does not replace another:
    that would be a write each time.
    """
    before = resource.status.condition(CONDITION)
    said = _said(resource, "False", failure.reason, str(failure), now)
    if before and before.status == "False" and failure.retry:
        said = before.model_copy(update={"observed_generation": resource.generation})
    return resource.status.model_copy(
        update={"conditions": _conditions(resource, said)}
    )


def without(resource: VaultSecret) -> Status:
    """Return a status that says nothing of a store."""
    return resource.status.model_copy(
        update={"stored": None, "conditions": _conditions(resource, None)}
    )


def left(stored: Stored, failure: Failure) -> Event:
    """Return the warning that values stay in a store, and why."""
    names = ", ".join(stored.fields)
    return Event(
        "Warning",
        "LeftInStore",
        f"Left in the store of VaultConnection {stored.namespace}/{stored.name} "
        f"({failure.reason}): {stored.path} with {names}. Delete it there.",
    )


def finalizers(resource: VaultSecret, *, held: bool) -> list[str]:
    """Return the finalizers that a resource is to have."""
    others = [each for each in resource.finalizers if each != FINALIZER]
    return [*others, FINALIZER] if held else others


def asked_sync(resource: VaultSecret) -> str | None:
    """Return the forced sync that is asked for, or was; None where none is valid."""
    if requests.is_sync_ignored(resource):
        return None
    return resource.annotations.get(FORCE_SYNC)


def differing(
    values: Mapping[str, bytes], there: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Return the values that are not there, or are others there."""
    return {name: v for name, v in values.items() if there.get(name) != v}


def _where(place: Place) -> tuple[str, ...]:
    return place.namespace, place.name, place.address, place.path


def _stored(wanted: Place, fields: Iterable[str]) -> Stored:
    return Stored(
        connection=wanted.connection,
        namespace=wanted.namespace,
        name=wanted.name,
        address=wanted.address,
        path=wanted.path,
        fields=sorted(fields),
    )


def _conditions(resource: VaultSecret, said: Condition | None) -> list[Condition]:
    by_type = {c.type: c for c in resource.status.conditions if c.type != CONDITION}
    if said:
        by_type[CONDITION] = said
    return [by_type[kind] for kind in conditions.TYPES if kind in by_type]


def _said(
    resource: VaultSecret, status: str, reason: str, message: str, now: str
) -> Condition:
    before = resource.status.condition(CONDITION)
    same = before is not None and before.status == status
    return Condition.model_validate(
        {
            "type": CONDITION,
            "status": status,
            "reason": reason,
            "message": message[: conditions.MESSAGE_CHARACTERS],
            "observedGeneration": resource.generation,
            "lastTransitionTime": (
                before.last_transition_time if before and same else now
            ),
        }
    )
