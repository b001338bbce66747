"""Draws operations where VaultSecrets merge into a Secret of somebody else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.model import generator
from tests.model import operations as do
from tests.model.generator import Draft, Kinds, Plot
from tests.model.items import UNSET
from tests.model.model import Declared, State
from tests.model.operations import Operation
from tests.model.shared import Shared
from vaultferry.core.consent import ALLOW

_BOTH = "both"
"""The key that more than one of them may want."""

Changed = Callable[[Shared], Shared]


@dataclass
class SharedPlot(Plot):
    """A Secret of somebody else, and the VaultSecrets that may merge into it."""

    @property
    def kinds(self) -> Kinds:
        """Each kind of operation, with its weight."""
        return KINDS


def _create(plot: Plot, kind: str) -> Operation | None:
    chance = plot.random
    name = chance.choice([plot.target, f"{plot.target}-rival"])
    if name in plot.drafts:
        return None
    blank = Declared(
        name=name,
        born=plot.next(),
        type="Opaque",
        values=UNSET,
        sealed=0,
        keys=frozenset(),
        merges=True,
    )
    fields = [f"{name}-{n}" for n in range(1, chance.randint(2, 3))]
    fields += [_BOTH] if chance.random() < 0.4 else []
    values = frozenset((each, plot.value()) for each in fields)
    if last := plot.again(name):
        values = last.declared.values
    draft = plot.seal(Draft(blank, "opaque", {}), values)
    plot.declared(draft)
    return do.declare(kind, draft.declared, generator.manifest(draft, plot))


def _delete(plot: Plot, kind: str) -> Operation | None:
    draft = plot.any()
    if draft is None or not plot.may_revert:
        return None
    plot.deleted(draft)
    # Who waits for its keys sets them, time and again, as in a fight.
    return replace(do.delete(kind, draft.declared, "Background"), reverts=True)


def _remove_key(plot: Plot, kind: str) -> Operation | None:
    made = generator.KINDS["remove key"][1](plot, kind) if plot.may_revert else None
    return made and replace(made, reverts=True)


def _key(plot: Plot) -> str:
    """Return a key that somebody may want or set."""
    own = [f"{name}-{n}" for name in sorted(plot.drafts) for n in (1, 2)]
    return plot.random.choice([_BOTH, "stray", *own])


def _set(plot: Plot, kind: str) -> Operation:
    return _data(plot, kind, _key(plot), f"{do.BY_HAND} {plot.next()}")


def _unset(plot: Plot, kind: str) -> Operation:
    return replace(_data(plot, kind, _key(plot), None), reverts=True)


def _data(plot: Plot, kind: str, key: str, value: str | None) -> Operation:
    patch = {"data": {key: None if value is None else do.encoded(value)}}
    return _patched(plot, kind, patch, lambda shared: shared.set(key, value))


def _withdraw(plot: Plot, kind: str) -> Operation:
    return _consent(plot, kind, consents=False)


def _allow(plot: Plot, kind: str) -> Operation:
    return _consent(plot, kind, consents=True)


def _consent(plot: Plot, kind: str, *, consents: bool) -> Operation:
    patch = {"metadata": {"annotations": {ALLOW: "merge" if consents else None}}}
    return _patched(
        plot, kind, patch, lambda shared: replace(shared, consents=consents)
    )


def _mark(plot: Plot, kind: str) -> Operation:
    text = str(plot.random.randrange(3))
    patch = {
        "metadata": {"labels": {"foreign": text}, "annotations": {"foreign": text}}
    }
    marks = frozenset({("foreign", text)})
    return _patched(plot, kind, patch, lambda shared: replace(shared, marks=marks))


def _patched(
    plot: Plot, kind: str, patch: Mapping[str, Any], changed: Changed
) -> Operation:
    def effect(state: State) -> State | None:
        if state.shared is None:
            return None
        return replace(state, shared=changed(state.shared))

    return Operation(kind, "secrets", plot.target, "PATCH", patch, effect)


def _place(plot: Plot, kind: str) -> Operation:
    value = f"{do.BY_HAND} {plot.next()}"
    made = Shared(frozenset({("password", value, None)}))

    def effect(state: State) -> State | None:
        return replace(state, shared=made) if state.shared is None else None

    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": plot.target, "annotations": {ALLOW: "merge"}},
        "data": {"password": do.encoded(value)},
    }
    return Operation(kind, "secrets", plot.target, "POST", body, effect, do.JSON)


def _remove(plot: Plot, kind: str) -> Operation:
    def effect(state: State) -> State | None:
        return replace(state, shared=None) if state.shared else None

    return Operation(
        kind, "secrets", plot.target, "DELETE", {}, effect, do.JSON, reverts=True
    )


_AS_ALONE = (
    "edit",
    "add key",
    "reseal",
    "notes",
    "suspend",
    "resume",
    "force sync",
    "break",
    "repair",
)

KINDS: Kinds = {
    "merge create": (10, _create),
    "merge delete": (3, _delete),
    "merge remove key": (3, _remove_key),
    **{f"merge {kind}": generator.KINDS[kind] for kind in _AS_ALONE},
    "set shared key": (4, _set),
    "unset shared key": (5, _unset),
    "withdraw consent": (2, _withdraw),
    "allow": (5, _allow),
    "mark shared": (2, _mark),
    "place shared": (8, _place),
    "remove shared": (2, _remove),
}
"""Each kind of operation, with its weight."""
