"""Draws operations: from a seed, and from what was drawn before, nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.model import operations as do
from tests.model.items import UNSET, Items
from tests.model.model import Declared
from tests.model.operations import Operation
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Place, Scope

Tokens = Mapping[str, str]

_MOST_REVERTS = 2
"""The third within five minutes is a fight, which has an operation of its own."""

_AGAIN = 0.6

_FORBIDDEN = ("example.com/mine", "yes")

_TYPES = {
    "opaque": ("Opaque", None),
    "token": ("Opaque", ("token",)),
    "password": ("kubernetes.io/basic-auth", ("username", "password")),
}


@dataclass(frozen=True)
class Draft:
    """A VaultSecret as last declared, with the tokens that the model leaves out."""

    declared: Declared
    type: str
    tokens: Tokens

    @property
    def fixed(self) -> tuple[str, ...] | None:
        """The fields that its type wants; None where any go."""
        return _TYPES[self.type][1]


@dataclass
class Plot:
    """One target Secret of a namespace and the VaultSecrets that may want it."""

    namespace: str
    target: str
    rings: Mapping[str, Keyring]
    random: Random
    drafts: dict[str, Draft] = field(default_factory=dict)
    gone: dict[str, Draft] = field(default_factory=dict)
    """Those that were deleted, as they were last declared."""

    counter: int = 0
    reverts: dict[str, int] = field(default_factory=dict)
    """How often what was written for a VaultSecret, in one generation, was undone."""

    fresh_reverts: int = 0
    """How often since the last rest."""

    @property
    def kinds(self) -> "Kinds":
        """Each kind of operation, with its weight."""
        return KINDS

    def next(self) -> int:
        """Return a number that was not there before."""
        self.counter += 1
        return self.counter

    def draw(self) -> Operation:
        """Return the next operation."""
        kinds = list(self.kinds)
        weights = [self.kinds[kind][0] for kind in kinds]
        while True:
            kind = self.random.choices(kinds, weights)[0]
            made = self.kinds[kind][1](self, kind)
            if made is None or (made.reverts and not self.may_revert):
                continue
            if made.reverts:
                self.reverted()
            return made

    def rested(self) -> None:
        """Note that everything came to rest."""
        self.fresh_reverts = 0

    def lost(self) -> None:
        """Note that the namespace went, with everything in it."""
        self.drafts.clear()
        self.gone.clear()
        self.reverts.clear()
        self.fresh_reverts = 0

    def calm(self) -> Operation | None:
        """Return an operation that ends every fight about the first VaultSecret."""
        draft = self.drafts.get(self.target)
        if draft is None:
            return None
        declared = replace(draft.declared, notes=self.next())
        return self.changed("calm", replace(draft, declared=declared))

    def value(self) -> str:
        """Return a value; few per place, so that they come again."""
        return f"{self.namespace}/{self.target}/{self.random.randrange(6)}\xff\x00"

    def any(self) -> Draft | None:
        """Return one of the VaultSecrets, None where there is none."""
        drafts = list(self.drafts.values())
        return self.random.choice(drafts) if drafts else None

    def seal(self, draft: Draft, values: Items, **changes: Any) -> Draft:
        """Seal values anew, each for one of the root keys and one of the scopes."""
        tokens, used = {}, set()
        for name, value in sorted(values):
            key = self.random.choice(list(self.rings))
            used.add(key)
            tokens[name] = self._token(key, draft.declared.name, name, value)
        declared = replace(
            draft.declared,
            values=values,
            sealed=self.next(),
            keys=frozenset(used),
            **changes,
        )
        wrong = "MetadataNotAllowed" if _FORBIDDEN in declared.labels else None
        declared = replace(declared, wrong=wrong)
        return replace(draft, declared=declared, tokens=tokens)

    def _token(self, key: str, name: str, field_name: str, value: str) -> str:
        place = Place(self.namespace, name, field_name)
        scope = self.random.choice(list(Scope))
        ring, plain = self.rings[key], value.encode("latin-1")
        if self.random.random() < 0.2:
            return ring.seal_at_rest(plain, scope, place)
        return ring.public_key().seal(plain, scope, place)

    def changed(self, kind: str, draft: Draft) -> Operation:
        """Have a VaultSecret be declared anew."""
        self.declared(draft)
        return do.change(kind, draft.declared, manifest(draft, self))

    def declared(self, draft: Draft) -> None:
        """Note what is declared now."""
        self.drafts[draft.declared.name] = draft
        # What was undone in an earlier generation may be repaired in this one.
        self.reverts[draft.declared.name] = 1 + self.fresh_reverts

    def deleted(self, draft: Draft) -> None:
        """Note that a VaultSecret is deleted."""
        name = draft.declared.name
        self.gone[name] = self.drafts.pop(name)
        del self.reverts[name]

    def again(self, name: str) -> Draft | None:
        """Return what was deleted, now and then, to be applied again as it was."""
        return self.gone.get(name) if self.random.random() < _AGAIN else None

    @property
    def may_revert(self) -> bool:
        """Whether what the operator wrote may be undone once more without a fight."""
        return max(self.reverts.values(), default=0) < _MOST_REVERTS

    def reverted(self) -> None:
        """Note that what the operator wrote is undone."""
        self.fresh_reverts += 1
        self.reverts = {name: n + 1 for name, n in self.reverts.items()}


def manifest(draft: Draft, plot: Plot) -> dict[str, Any]:
    """Return a VaultSecret as one applies it."""
    declared = draft.declared
    target: dict[str, Any] = {"creationPolicy": "Merge"}
    if not declared.merges:
        target = {
            "labels": dict(declared.labels),
            "annotations": dict(declared.annotations),
            "creationPolicy": "Owner" if declared.owned else "Orphan",
        }
    if declared.name != plot.target:
        target["name"] = plot.target
    spec: dict[str, Any] = {
        "type": draft.type,
        "sealed": dict(draft.tokens),
        "target": target,
        "suspend": declared.suspended,
        "description": f"note {declared.notes}",
    }
    return {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultSecret",
        "metadata": {"name": declared.name, "namespace": plot.namespace},
        "spec": spec,
    }


def _create(plot: Plot, kind: str) -> Operation | None:
    return _new(plot, kind, plot.target)


def _create_rival(plot: Plot, kind: str) -> Operation | None:
    return _new(plot, kind, f"{plot.target}-rival")


def _new(plot: Plot, kind: str, name: str) -> Operation | None:
    if name in plot.drafts:
        return None
    chance = plot.random
    chosen = chance.choice(["opaque", "opaque", *_TYPES])
    blank = Declared(
        name=name,
        born=plot.next(),
        type=_TYPES[chosen][0],
        values=UNSET,
        sealed=0,
        keys=frozenset(),
        owned=chance.random() < 0.7,
        labels=_marks(plot, 0.3),
        annotations=_marks(plot, 0.3),
    )
    fields = _TYPES[chosen][1] or [f"key{n}" for n in range(chance.randint(1, 4))]
    values = frozenset((each, plot.value()) for each in fields)
    if last := plot.again(name):
        chosen, values = last.type, last.declared.values
        blank = replace(blank, type=last.declared.type)
    draft = plot.seal(Draft(blank, chosen, {}), values)
    plot.declared(draft)
    return do.declare(kind, draft.declared, manifest(draft, plot))


def _marks(plot: Plot, chance: float) -> Items:
    if plot.random.random() > chance:
        return UNSET
    return frozenset({("tier", str(plot.random.randrange(3)))})


def _edit(plot: Plot, kind: str) -> Operation | None:
    draft = plot.any()
    if draft is None:
        return None
    values = dict(draft.declared.values)
    values[plot.random.choice(sorted(values))] = plot.value()
    return plot.changed(kind, plot.seal(draft, frozenset(values.items())))


def _add_key(plot: Plot, kind: str) -> Operation | None:
    draft = plot.any()
    if draft is None or draft.fixed:
        return None
    values = dict(draft.declared.values) | {f"key{plot.next()}": plot.value()}
    return plot.changed(kind, plot.seal(draft, frozenset(values.items())))


def _remove_key(plot: Plot, kind: str) -> Operation | None:
    draft = plot.any()
    if draft is None or draft.fixed or len(draft.declared.values) == 1:
        return None
    gone = plot.random.choice(sorted(draft.declared.values))
    return plot.changed(kind, plot.seal(draft, draft.declared.values - {gone}))


def _reseal(plot: Plot, kind: str) -> Operation | None:
    draft = plot.any()
    return (
        plot.changed(kind, plot.seal(draft, draft.declared.values)) if draft else None
    )


def _break(plot: Plot, kind: str) -> Operation | None:
    draft = plot.any()
    if draft is None:
        return None
    broken = plot.seal(draft, draft.declared.values)
    name, key = min(broken.tokens), plot.random.choice(list(plot.rings))
    elsewhere = Place(plot.namespace, f"not-{draft.declared.name}", name)
    token = plot.rings[key].public_key().seal(b"lost", Scope.STRICT, elsewhere)
    if broken.declared.wrong:
        return None
    wrong, token = plot.random.choice(
        [("TokenNotOpened", token), ("TokenMalformed", "vf1.nonsense")]
    )
    declared = replace(broken.declared, wrong=wrong, keys=broken.declared.keys | {key})
    tokens = {**broken.tokens, name: token}
    return plot.changed(kind, replace(broken, declared=declared, tokens=tokens))


def _forbid(plot: Plot, kind: str) -> Operation | None:
    draft = plot.any()
    if draft is None:
        return None
    labels = draft.declared.labels | {_FORBIDDEN}
    return plot.changed(kind, plot.seal(draft, draft.declared.values, labels=labels))


def _repair(plot: Plot, kind: str) -> Operation | None:
    draft = plot.any()
    if draft is None or draft.declared.wrong is None:
        return None
    return plot.changed(kind, plot.seal(draft, draft.declared.values, labels=UNSET))


def _vary(plot: Plot, kind: str, **changes: Any) -> Operation | None:
    draft = plot.any()
    if draft is None or draft.declared.wrong == "MetadataNotAllowed":
        return None
    declared = replace(draft.declared, **changes)
    if declared == draft.declared:
        return None
    return plot.changed(kind, replace(draft, declared=declared))


def _notes(plot: Plot, kind: str) -> Operation | None:
    return _vary(plot, kind, notes=plot.next())


def _labels(plot: Plot, kind: str) -> Operation | None:
    return _vary(plot, kind, labels=_marks(plot, 0.6), annotations=_marks(plot, 0.6))


def _policy(plot: Plot, kind: str) -> Operation | None:
    return _vary(plot, kind, owned=plot.random.random() < 0.5)


def _suspend(plot: Plot, kind: str) -> Operation | None:
    return _vary(plot, kind, suspended=True)


def _resume(plot: Plot, kind: str) -> Operation | None:
    return _vary(plot, kind, suspended=False)


def _force(plot: Plot, kind: str) -> Operation | None:
    draft = plot.any()
    if draft is None:
        return None
    declared = replace(draft.declared, sync=str(plot.next()))
    plot.drafts[declared.name] = replace(draft, declared=declared)
    return do.ask(kind, declared)


def _delete(plot: Plot, kind: str) -> Operation | None:
    draft = plot.any()
    # What it leaves another may take, time and again, as in a fight.
    if draft is None or (len(plot.drafts) > 1 and not plot.may_revert):
        return None
    plot.deleted(draft)
    policy = kind.removeprefix("delete ").capitalize()
    made = do.delete(kind, draft.declared, policy)
    return replace(made, reverts=bool(plot.drafts))


def _hand_edit(plot: Plot, kind: str) -> Operation | None:
    key = plot.random.choice(["key0", "key1", "token", "password", "stray"])
    return do.edit_data(kind, plot.target, key, f"{do.BY_HAND} {plot.next()}")


def _hand_remove(plot: Plot, kind: str) -> Operation | None:
    key = plot.random.choice(["key0", "key1", "token", "username"])
    return do.edit_data(kind, plot.target, key, None)


def _hand_mark(plot: Plot, kind: str) -> Operation | None:
    tiers = [dict(d.declared.labels).get("tier") for d in plot.drafts.values()]
    # A label that no spec names stays; one that a spec names later is ours then.
    return do.mark(kind, plot.target, "tier", "by-hand") if any(tiers) else None


def _foreign_mark(plot: Plot, kind: str) -> Operation | None:
    made = do.mark(kind, plot.target, "foreign", str(plot.random.randrange(3)))
    return replace(made, reverts=False)


def _unlabel(plot: Plot, kind: str) -> Operation | None:
    patch = {"metadata": {"labels": {f"{do.OURS}/managed": None}}}
    return do.handle(
        kind, plot.target, patch, lambda secret: replace(secret, managed=False)
    )


def _unversion(plot: Plot, kind: str) -> Operation | None:
    number = plot.random.choice([None, 99])
    text = None if number is None else str(number)
    return do.annotate(kind, plot.target, "version", text, version=number)


def _unreference(plot: Plot, kind: str) -> Operation | None:
    patch = {"metadata": {"ownerReferences": None}}
    return do.handle(
        kind, plot.target, patch, lambda secret: replace(secret, reference=None)
    )


def _take_over(plot: Plot, kind: str) -> Operation | None:
    owner = plot.random.choice([None, "elsewhere/somebody"])
    return do.annotate(kind, plot.target, "owner", owner, owner=owner)


def _give_back(plot: Plot, kind: str) -> Operation | None:
    owner = {f"{do.OURS}/owner": f"{plot.namespace}/{plot.target}"}
    patch = {"metadata": {"annotations": owner, "ownerReferences": None}}
    return do.handle(
        kind,
        plot.target,
        patch,
        lambda secret: replace(secret, owner=plot.target, reference=None),
    )


def _freeze(plot: Plot, kind: str) -> Operation | None:
    made = do.handle(
        kind,
        plot.target,
        {"immutable": True},
        lambda secret: replace(secret, immutable=True),
    )
    return replace(made, reverts=False)


def _remove(plot: Plot, kind: str) -> Operation | None:
    return do.remove(kind, plot.target)


def _place(plot: Plot, kind: str) -> Operation | None:
    return do.place_foreign(kind, plot.target, plot.value())


Kinds = Mapping[str, tuple[int, Callable[[Plot, str], Operation | None]]]

KINDS: Kinds = {
    "create": (12, _create),
    "create rival": (2, _create_rival),
    "edit": (12, _edit),
    "add key": (5, _add_key),
    "remove key": (5, _remove_key),
    "reseal": (4, _reseal),
    "notes": (4, _notes),
    "labels": (5, _labels),
    "policy": (4, _policy),
    "suspend": (3, _suspend),
    "resume": (6, _resume),
    "force sync": (4, _force),
    "break": (3, _break),
    "forbid": (2, _forbid),
    "repair": (8, _repair),
    "delete background": (4, _delete),
    "delete foreground": (1, _delete),
    "delete orphan": (1, _delete),
    "edit Secret": (6, _hand_edit),
    "remove Secret key": (4, _hand_remove),
    "edit Secret label": (3, _hand_mark),
    "mark Secret": (6, _foreign_mark),
    "unlabel Secret": (3, _unlabel),
    "unversion Secret": (2, _unversion),
    "unreference Secret": (2, _unreference),
    "take Secret over": (2, _take_over),
    "give Secret back": (3, _give_back),
    "freeze Secret": (1, _freeze),
    "remove Secret": (5, _remove),
    "place Secret": (3, _place),
}
"""Each kind of operation on objects, with its weight."""
