"""What must hold at every moment, not only at the end: checked on the history.

What the test did itself it knows by the resourceVersions that it was answered; all
else was the operator, or garbage collection.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.model.items import Items
from tests.model.model import Declared
from tests.model.observer import Event, Scene
from tests.model.operations import BY_HAND, OURS
from tests.model.picture import data
from vaultferry.core.merge import PREFIX

Body = Mapping[str, Any]


class Violation(Exception):
    """Something is not as the model says that it must be."""


@dataclass(frozen=True)
class _Version:
    """A generation of a VaultSecret as somebody declared it."""

    at: int
    uid: str
    generation: int
    declared: Declared

    @property
    def values(self) -> Items:
        return self.declared.values


@dataclass
class History:
    """One target Secret and those who want it, since their namespace was made."""

    namespace: str
    target: str
    born: dict[str, int] = field(default_factory=dict)
    """The model's number for each uid of a VaultSecret."""

    writes: int = 0
    """Writes of the Secret that were the operator's, since somebody set it to 0."""

    collected: int = 0
    """How often garbage collection took the Secret, since then."""

    reports: int = 0
    """Writes of a status, since then."""

    _own: set[int] = field(default_factory=set)
    _own_ends: set[str] = field(default_factory=set)
    _versions: dict[str, list[_Version]] = field(default_factory=dict)
    _reached: dict[str, int] = field(default_factory=dict)
    """Which version of each VaultSecret the Secret was written for last."""

    _alive: set[str] = field(default_factory=set)
    _gone: set[str] = field(default_factory=set)
    """The names of those that were ever deleted."""

    _resources: dict[str, Body] = field(default_factory=dict)
    _secret: Body | None = None
    _secrets: dict[int, Body] = field(default_factory=dict)

    def declared(self, answer: Body, declared: Declared) -> None:
        """Note what the API server answered to a declaration of ours."""
        metadata = answer["metadata"]
        at, uid = int(metadata["resourceVersion"]), metadata["uid"]
        self.born[uid] = declared.born
        self._own.add(at)
        version = _Version(at, uid, metadata["generation"], declared)
        self._versions.setdefault(declared.name, []).append(version)

    def touched(self, answer: Body) -> None:
        """Note what the API server answered to a change of ours."""
        self._own.add(int(answer["metadata"]["resourceVersion"]))

    def removed(self, uid: str) -> None:
        """Note that we deleted a Secret."""
        self._own_ends.add(uid)

    def is_told(self, scene: Scene) -> bool:
        """Tell whether the watches have told of all that we did."""
        return self._own <= scene.versions and self._own_ends <= scene.ends

    def is_about(self, event: Event) -> bool:
        """Tell whether an event is about one of ours."""
        if event.resource == "secrets":
            return event.name == self.target
        return event.name in {self.target, f"{self.target}-rival"}

    def is_late_note(self, event: Event) -> bool:
        """Tell whether a status only says which version of the Secret was right.

        That is written once a process, and at leisure.
        """
        before = self._resources.get(event.name)
        if event.resource == "secrets" or event.kind != "MODIFIED" or not before:
            return False
        return _without_synced(before) == _without_synced(event.body)

    def told(self, event: Event) -> str:
        """Show an event for people; of a status all that changed, of a Secret nothing.

        A status holds no values of credentials.
        """
        place = f"{event.kind} {event.resource}/{event.name} in {self.namespace}"
        if event.resource == "secrets":
            return place
        old = (self._resources.get(event.name) or {}).get("status") or {}
        new = event.body.get("status") or {}
        parts = [k for k in sorted({*old, *new}) if old.get(k) != new.get(k)]
        return f"{place}: {[(k, old.get(k), new.get(k)) for k in parts]}"

    def check(self, event: Event) -> None:
        """Take an event.

        Raises:
            Violation: it must not have happened.
        """
        ours = event.version in self._own
        if event.resource == "secrets":
            self._check_secret(event, ours=ours)
        else:
            self._check_resource(event, ours=ours)

    def _check_secret(self, event: Event, *, ours: bool) -> None:
        if event.kind == "DELETED":
            if event.uid not in self._own_ends:
                self._check_end(event)
            self._secret = None
            return
        if not ours:
            self._check_write(event)
        self._secret = event.body
        self._secrets[event.version] = event.body

    def _check_write(self, event: Event) -> None:
        before = self._secret
        if before and _same_but_references(before, event.body):
            self.writes += _references(before) < _references(event.body)
            return
        self.writes += 1
        self._check_content(event, before)

    def _check_content(self, event: Event, before: Body | None) -> None:
        """Check what the operator has written: the whole Secret is a VaultSecret's."""
        owner = self._owner(event.body)
        if before and self._owner(before) != owner:
            raise self._violation(event, "I3: a Secret of somebody else was written")
        if owner not in self._versions:
            raise self._violation(event, "I3: a Secret was written for nobody here")
        self._check_data(event, owner)

    def _check_data(self, event: Event, owner: str) -> None:
        """Check that the data are those of one declaration, and of no earlier one."""
        reached, held = self._reached.get(owner, 0), data(event.body)
        for number, version in enumerate(self._versions[owner]):
            right = version.values == held and not version.declared.wrong
            if number >= reached and version.at < event.version and right:
                self._reached[owner] = number
                return
        wanted = [(v.at, sorted(v.values)) for v in self._versions[owner][reached:]]
        raise self._violation(
            event,
            "I1: the data are not those of one declaration, or of an old one: "
            f"{sorted(held)}, and not one of {wanted}",
        )

    def _check_end(self, event: Event) -> None:
        owners = {r["uid"] for r in event.body["metadata"].get("ownerReferences") or []}
        if not owners or owners & self._alive:
            raise self._violation(event, "I2: the Secret of a living owner went")
        self.collected += 1

    def _check_resource(self, event: Event, *, ours: bool) -> None:
        before = self._resources.get(event.name)
        if event.kind == "DELETED" or "deletionTimestamp" in event.body["metadata"]:
            self._alive.discard(event.uid)
        else:
            self._alive.add(event.uid)
            if not ours:
                self._check_status(event, before or {})
        if event.kind == "DELETED":
            self._resources.pop(event.name, None)
            self._gone.add(event.name)
        else:
            self._resources[event.name] = event.body

    def _check_status(self, event: Event, before: Body) -> None:
        if before.get("spec") != event.body["spec"] or _meta(before) != _meta(
            event.body
        ):
            raise self._violation(event, "more than its status was written")
        self.reports += not self.is_late_note(event)
        old, new = before.get("status") or {}, event.body["status"]
        step = new.get("version", 0) - (old.get("version") or new.get("version", 0))
        if step not in {0, 1}:
            raise self._violation(event, f"the version moved by {step}")
        if _is_ready(event.body):
            self._check_ready(event)

    def _check_ready(self, event: Event) -> None:
        synced = event.body["status"]["syncedSecret"]
        secret = self._secrets.get(int(synced["resourceVersion"]))
        there = secret is not None and secret["metadata"]["uid"] == synced["uid"]
        if secret is None or not there or _version(secret) > event.version:
            raise self._violation(event, "I4: Ready, but no such Secret was stored")
        said_of = (event.uid, event.body["metadata"]["generation"])
        for version in self._versions.get(event.name, []):
            wrong = version.declared.wrong or not self._realises(secret, version.values)
            if (version.uid, version.generation) == said_of and wrong:
                raise self._violation(event, "I4: Ready, with a Secret of old")

    def _realises(self, secret: Body, values: Items) -> bool:
        return data(secret) == values

    def _owner(self, secret: Body) -> str:
        annotations = secret["metadata"].get("annotations") or {}
        owner = str(annotations.get(f"{OURS}/owner"))
        return owner.removeprefix(f"{self.namespace}/")

    def _violation(self, event: Event, text: str) -> Violation:
        place = f"{event.resource}/{event.name} at {event.version}"
        return Violation(f"{text} ({event.kind} {place})")


def _is_ready(body: Body) -> bool:
    status = body["status"]
    ready = {c["status"] for c in status["conditions"] if c["type"] == "Ready"}
    current = status.get("observedGeneration") == body["metadata"]["generation"]
    return current and ready == {"True"}


def _version(body: Body) -> int:
    return int(body["metadata"]["resourceVersion"])


def _without_synced(body: Body) -> tuple[object, ...]:
    status = dict(body.get("status") or {})
    status.pop("syncedSecret", None)
    return status, body["spec"], _meta(body)


def _meta(body: Body) -> dict[str, Any]:
    metadata = dict(body.get("metadata") or {})
    for key in ("resourceVersion", "managedFields"):
        metadata.pop(key, None)
    return metadata


def _references(body: Body) -> int:
    return len(body["metadata"].get("ownerReferences") or [])


def _same_but_references(one: Body, other: Body) -> bool:
    a, b = _meta(one), _meta(other)
    a.pop("ownerReferences", None)
    b.pop("ownerReferences", None)
    parts = ("data", "type", "immutable")
    return a == b and [one.get(p) for p in parts] == [other.get(p) for p in parts]


@dataclass
class SharedHistory(History):
    """One Secret of somebody else, and those who merge into it."""

    def _check_content(self, event: Event, before: Body | None) -> None:
        """Check what the operator has written: keys of one, and no others moved."""
        if before is None:
            raise self._violation(event, "I3: a Secret of somebody else was made")
        now, then = dict(data(event.body)), dict(data(before))
        changed = {key for key in {*now, *then} if now.get(key) != then.get(key)}
        theirs = {key for key, value in then.items() if value.startswith(BY_HAND)}
        if changed & theirs or _foreign(before) != _foreign(event.body):
            raise self._violation(event, "I3: what somebody else has set was written")
        if not any(self._explains(each, event, changed) for each in self._versions):
            raise self._violation(
                event, f"I1: {sorted(changed)} are not those of one declaration"
            )

    def _explains(self, name: str, event: Event, changed: set[str]) -> bool:
        """Tell whether keys were written for a VaultSecret, or taken out after it."""
        held, declared = data(event.body), self._versions[name]
        if not changed <= {key for each in declared for key, _ in each.values}:
            return False
        if not changed & set(dict(held)) and name in self._gone:
            return True
        reached = self._reached.get(name, 0)
        for number, version in enumerate(declared[reached:], reached):
            right = self._realises(event.body, version.values)
            if version.at < event.version and right and not version.declared.wrong:
                self._reached[name] = number
                return True
        return False

    def _realises(self, secret: Body, values: Items) -> bool:
        return values <= data(secret)


def _foreign(body: Body) -> tuple[object, ...]:
    """Return what in a Secret nobody changes who merges into it."""
    metadata = _meta(body)
    notes = metadata.pop("annotations", None) or {}
    others = {key: text for key, text in notes.items() if not key.startswith(PREFIX)}
    return metadata, others, body.get("type"), body.get("immutable")
