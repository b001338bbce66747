"""What must be true of VaultSecrets and the Secret that they want: pure and small.

A `State` is some VaultSecrets of one namespace and the one Secret that all of them
want, or merge into. `reconcile` says what an operator makes of it. When it does so,
nobody knows: `reachable` tries every moment, so what may be true is a set of states.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from tests.model.items import UNSET, Items, Keys, Print
from tests.model.shared import Record, Shared


@dataclass(frozen=True)
class Declared:
    """A VaultSecret as somebody wants it."""

    name: str
    born: int
    """Which of that name it is: stands for the uid."""

    type: str
    """The type of its Secret."""

    values: Items
    sealed: int
    """Which sealing of the values it is: other tokens are another spec."""

    keys: frozenset[str]
    """The root keys that its tokens need."""

    labels: Items = UNSET
    annotations: Items = UNSET
    owned: bool = True
    """Whether creationPolicy is Owner."""

    merges: bool = False
    """Whether it is Merge."""

    wrong: str | None = None
    """The reason for which it cannot be realised."""

    suspended: bool = False
    notes: int = 0
    sync: str | None = None

    @property
    def spec(self) -> tuple[object, ...]:
        """What the Secret realises."""
        return self.born, self.sealed, self.labels, self.annotations, self.owned


@dataclass(frozen=True)
class Secret:
    """A Secret."""

    owner: str | None
    """Whom the owner annotation names."""

    type: str
    data: Items
    labels: Items = UNSET
    annotations: Items = UNSET
    our_labels: frozenset[str] = frozenset()
    """The keys that the record lists as ours."""

    our_annotations: frozenset[str] = frozenset()

    managed: bool = False
    """Whether it has our label."""

    reference: int | None = None
    """The VaultSecret that it is to go with."""

    version: int | None = None
    print: Print | None = None
    immutable: bool = False


@dataclass(frozen=True)
class Status:
    """What a VaultSecret says of itself."""

    ready: bool | None = None
    reason: str | None = None
    fresh: bool = True
    """Whether no condition Fresh=False stands beside Ready=True."""

    observed: bool = False
    """Whether observedGeneration is the present one."""

    realised: tuple[object, ...] | None = None
    version: int | None = None
    print: Print | None = None
    handled: str | None = None


@dataclass(frozen=True)
class Resource:
    """A VaultSecret with its status."""

    declared: Declared
    status: Status = Status()

    @property
    def as_realised(self) -> bool:
        """Whether the status says that this very spec is in the Secret."""
        return self.status.ready is True and self.status.realised == self.declared.spec


@dataclass(frozen=True)
class State:
    """VaultSecrets by name, and the Secret that all of them want."""

    resources: tuple[Resource, ...] = ()
    secret: Secret | None = None
    shared: Shared | None = None
    """The Secret that all of them merge into, where they do that."""

    def get(self, name: str) -> Resource | None:
        """Return a VaultSecret."""
        found = (r for r in self.resources if r.declared.name == name)
        return next(found, None)

    def put(self, resource: Resource) -> "State":
        """Have a VaultSecret be this."""
        rest = self.drop(resource.declared.name).resources
        ordered = sorted((*rest, resource), key=lambda r: r.declared.name)
        return replace(self, resources=tuple(ordered))

    def drop(self, name: str) -> "State":
        """Have no VaultSecret of that name."""
        rest = (r for r in self.resources if r.declared.name != name)
        return replace(self, resources=tuple(rest))


def reconcile(state: State, resource: Resource, keys: Keys) -> Iterator[State]:
    """Yield what an operator with these keys may make of a VaultSecret."""
    declared, status = resource.declared, resource.status
    if declared.suspended:
        yield state.put(replace(resource, status=_suspended(declared, status)))
    elif reasons := source_faults(declared, keys):
        yield from _source_failed(state, resource, reasons, keys)
    elif reason := _secret_fault(declared, state):
        yield state.put(replace(resource, status=_failed(declared, status, reason)))
    else:
        yield from _realised(state, resource, keys)


def reachable(
    states: Collection[State], lagging: Collection[Resource], keys: Keys
) -> set[State]:
    """Return every state that an operator, however often it is ended, may lead to.

    Args:
        states: where it begins.
        lagging: what it may still believe to be declared, while it writes a Secret;
            with the last status of what is gone.
        keys: its root keys.
    """

    def steps(state: State) -> Iterator[State]:
        yield from _steps(state, keys)
        for resource in lagging:
            yield from _late(state, resource, keys)

    return _closure(states, steps)


def settled(states: Collection[State], keys: Keys) -> set[State]:
    """Return the states in which everything may end that is left alone."""
    found = _closure(states, lambda state: _steps(state, keys))
    return {state for state in found if _is_at_rest(state, keys)}


def source_faults(declared: Declared, keys: Keys) -> set[str]:
    """Return the reasons for which the values cannot be had, one of them reported."""
    if declared.wrong == "MetadataNotAllowed":
        return {declared.wrong}
    unknown = {"UnknownKeyId"} if declared.keys - set(keys) else set()
    return unknown | ({declared.wrong} if declared.wrong else set())


def is_pending(resource: Resource) -> bool:
    """Tell whether a sync is asked for that was not handled."""
    asked = resource.declared.sync
    return asked is not None and asked != resource.status.handled


def _steps(state: State, keys: Keys) -> Iterator[State]:
    for resource in state.resources:
        yield from reconcile(state, resource, keys)
    if _is_garbage(state):
        yield replace(state, secret=None)
    for name in _left_behind(state):
        yield _cleaned(state, name)


def _is_at_rest(state: State, keys: Keys) -> bool:
    stays = (state in reconcile(state, each, keys) for each in state.resources)
    return not _is_garbage(state) and not _left_behind(state) and all(stays)


def _is_garbage(state: State) -> bool:
    """Tell whether garbage collection is going to take the Secret."""
    owner = state.secret and state.secret.reference
    return owner is not None and owner not in {
        each.declared.born for each in state.resources
    }


def _left_behind(state: State) -> set[str]:
    """Return the names of those that are gone, and have left keys."""
    records = state.shared.records if state.shared else ()
    there = {each.declared.name for each in state.resources}
    return {each.name for each in records} - there


def _cleaned(state: State, name: str) -> State:
    return replace(state, shared=state.shared and state.shared.without(name))


def _closure(
    states: Iterable[State], steps: Callable[[State], Iterator[State]]
) -> set[State]:
    found, new = set(states), list(states)
    while new:
        after = {state for before in [new.pop()] for state in steps(before)}
        new.extend(after - found)
        found |= after
    return found


def _suspended(declared: Declared, status: Status) -> Status:
    if status.realised == declared.spec:
        return replace(status, observed=True)
    return replace(status, ready=False, reason="Suspended", fresh=True, observed=True)


def _failed(declared: Declared, status: Status, reason: str) -> Status:
    return replace(
        status,
        ready=False,
        reason=reason,
        fresh=True,
        observed=True,
        handled=declared.sync or status.handled,
    )


def _source_failed(
    state: State, resource: Resource, reasons: Iterable[str], keys: Keys
) -> Iterator[State]:
    """Yield what follows where the values cannot be had.

    A Secret that only moved cannot be told from one that is wrong, for that takes the
    values; so where it is right all of this may be.
    """
    declared, status = resource.declared, resource.status
    right = resource.as_realised and _is_right(state, resource, keys)
    if right and status.fresh and not is_pending(resource):
        yield state.put(replace(resource, status=replace(status, observed=True)))
    for reason in reasons:
        failed = _failed(declared, status, reason)
        yield state.put(replace(resource, status=failed))
        if right:
            late = replace(failed, ready=True, reason="Synced", fresh=False)
            yield state.put(replace(resource, status=late))


def _secret_fault(declared: Declared, state: State) -> str | None:
    if not declared.merges:
        return _own_fault(declared, state.secret)
    if state.shared is None:
        return "TargetMissing"
    return state.shared.fault(declared.name, declared.values)


def _own_fault(declared: Declared, secret: Secret | None) -> str | None:
    if secret is None:
        return None
    if secret.owner != declared.name:
        return "Conflict"
    if secret.type != declared.type:
        return "TypeDiffers"
    if secret.immutable and secret.data != declared.values:
        return "SecretImmutable"
    return None


def _realised(state: State, resource: Resource, keys: Keys) -> Iterator[State]:
    declared, status = resource.declared, resource.status
    if (
        resource.as_realised
        and status.fresh
        and not is_pending(resource)
        and _is_right(state, resource, keys)
    ):
        yield state.put(replace(resource, status=replace(status, observed=True)))
        return
    version = _version(resource, state, keys)
    status = Status(
        ready=True,
        reason="Synced",
        observed=True,
        realised=declared.spec,
        version=version,
        print=(keys[0], declared.values),
        handled=declared.sync or status.handled,
    )
    for after in _stored(declared, state, version, keys):
        yield after.put(Resource(declared, status))


def _late(state: State, lagging: Resource, keys: Keys) -> Iterator[State]:
    """Yield the Secret written for what is, or was, declared; and no status."""
    declared, now = lagging.declared, state.get(lagging.declared.name)
    alive = now is not None and now.declared.born == declared.born
    if not alive:
        yield _cleaned(state, declared.name)
    fault = source_faults(declared, keys) or _secret_fault(declared, state)
    if declared.suspended or fault:
        return
    # The version goes on from the status; also from that of what is gone meanwhile.
    known = replace(lagging, status=now.status) if now and alive else lagging
    yield from _stored(declared, state, _version(known, state, keys), keys)


def _is_right(state: State, resource: Resource, keys: Keys) -> bool:
    declared = resource.declared
    if _secret_fault(declared, state):
        return False
    return state in _stored(declared, state, resource.status.version or 1, keys)


def _version(resource: Resource, state: State, keys: Keys) -> int:
    """Return the version: one more than the last where a value changed since."""
    values, last = resource.declared.values, resource.status.version
    noted = _noted(resource.declared, state)
    holds = _same(noted.print, values, keys) if noted else False
    if holds is None:
        # Rotation leaves the fingerprint of a key that is then taken away.
        holds = _holds(resource.declared, state)
    kept = noted.version if noted and holds else None
    # After a crash between the two writes, or in a second life.
    if kept is not None and last in {None, kept - 1}:
        return kept
    if last is None:
        return 1
    same = _same(resource.status.print, values, keys)
    if same is None:
        same = _holds(resource.declared, state)
    return last if same else last + 1


def _noted(declared: Declared, state: State) -> Secret | Record | None:
    if not declared.merges:
        return state.secret
    return state.shared.record(declared.name) if state.shared else None


def _holds(declared: Declared, state: State) -> bool:
    if declared.merges and state.shared:
        return state.shared.of(declared.name) == declared.values
    return state.secret is not None and state.secret.data == declared.values


def _same(print_: Print | None, values: Items, keys: Keys) -> bool | None:
    if print_ is None or print_[0] not in keys:
        return None
    return print_[1] == values


def _stored(declared: Declared, state: State, version: int, keys: Keys) -> list[State]:
    if not declared.merges:
        secrets = _written(declared, state.secret, version, keys)
        return [replace(state, secret=secret) for secret in secrets]
    assert state.shared is not None
    by = keys[0], declared.values
    return [
        replace(
            state,
            shared=state.shared.merged(declared.name, declared.values, version, by),
        )
    ]


def _written(
    declared: Declared, secret: Secret | None, version: int, keys: Keys
) -> list[Secret]:
    """Return the Secret as it ought to be, with each fingerprint that it may have."""
    before = secret or Secret(declared.name, declared.type, UNSET)
    after = replace(
        before,
        owner=declared.name,
        data=declared.values,
        labels=_merged(before.labels, before.our_labels, declared.labels),
        annotations=_merged(
            before.annotations, before.our_annotations, declared.annotations
        ),
        our_labels=frozenset(dict(declared.labels)),
        our_annotations=frozenset(dict(declared.annotations)),
        managed=True,
        reference=declared.born if declared.owned else None,
        version=version,
        print=(keys[0], declared.values),
    )
    same = before.data == after.data and before.version == after.version
    if not same or before.print is None:
        return [after]
    return [replace(after, print=before.print), after]


def _merged(there: Items, ours: frozenset[str], wanted: Items) -> Items:
    kept: dict[str, str] = {k: v for k, v in there if k not in ours}
    return frozenset((kept | dict(wanted)).items())
