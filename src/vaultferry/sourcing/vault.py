"""Reads values from a vault, by what its places answered; no call is made here."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from vaultferry.connections import Connections
from vaultferry.core import access, due, extract, refresh, requests
from vaultferry.core.document import Document, Wanted
from vaultferry.core.errors import (
    ConnectionMissing,
    Failure,
    FieldMissing,
    NeedsPerson,
    ReferenceInvalid,
)
from vaultferry.core.looked import Looked
from vaultferry.core.provider import Provider
from vaultferry.core.source import Source, Viewed
from vaultferry.core.urgency import Lane
from vaultferry.core.vaultconnection import VaultConnection
from vaultferry.core.vaultsecret import (
    ConnectionVersion,
    FieldMapping,
    FieldsFrom,
    SyncedFrom,
    VaultSecret,
)
from vaultferry.places import Answer, PlaceKey, Places
from vaultferry.views import Key

# What was asked for so short a time before a resource came is new enough for it.
_JUST_SECONDS = 10.0
# After that a first sync is said to be under way.
_LONG_SECONDS = 10.0


class Waiting(Exception):
    """The values are being fetched; whoever wants them is woken."""

    def __init__(self, patience: float) -> None:
        """Say how many seconds are left until that takes long."""
        super().__init__()
        self.patience = patience


class _Undecided(Failure):
    """Whether a connection may be used is not known yet; whoever asks is woken."""


class _Unanswered(Exception):
    """A place has not answered yet."""


@dataclass(frozen=True)
class _Way:
    """A connection that a resource may use, and what its references mean there."""

    key: Key
    connection: VaultConnection
    provider: Provider[Any]
    settings: Any
    namespace: str
    """Of the resource."""

    @property
    def version(self) -> ConnectionVersion:
        return ConnectionVersion(
            uid=self.connection.uid, generation=self.connection.generation
        )


@dataclass(frozen=True)
class _Wish:
    """What somebody waits for, and since when."""

    basis: Hashable
    came: float
    """When it began to be wanted."""

    since: float
    """When somebody first had time for it."""

    is_sync: bool


@dataclass
class VaultSource:
    """The vaults that `spec.connectionRef` leads to."""

    connections: Connections
    places: Places
    came: Callable[[Key], float]
    """Returns since when a resource is wanted as it is, by the clock."""

    clock: Callable[[], float]
    _wishes: dict[Key, _Wish] = field(default_factory=dict)

    def follow(self, resource: VaultSecret) -> None:
        """Have the places of a resource fetched as often as it wants."""
        key = _key(resource)
        if resource.connection is None:
            self.forget(key)
            return
        try:
            way = self._way(resource)
            used = {PlaceKey(way.key, p) for p in _places(way, resource)}
        except Failure:
            used = set()
        interval = refresh.seconds(resource.raw_spec.get("refreshInterval"))
        if resource.suspended or resource.deleting:
            used = set()
        self.places.use(key, dict.fromkeys(used, interval))

    def forget(self, key: Key) -> None:
        """Forget a resource that is gone."""
        self.places.forget(key)
        self._wishes.pop(key, None)

    def viewed(self, resource: VaultSecret) -> Viewed:
        """Return the places of a resource as they are known."""
        try:
            way = self._way(resource)
            places = _places(way, resource)
        except Failure as failure:
            return Viewed(("none", failure.reason))
        answers = [self.places.look(PlaceKey(way.key, place)) for place in places]
        unusable = self.connections.unusable(way.key)
        said = unusable.reason if unusable else ""
        told = due.is_stale(resource)
        known = tuple(_known(answer, told=told) for answer in answers)
        # Without an answer nothing is known but what the status says.
        settled = not said and not any(map(any, known))
        identity = (way.version.uid, way.version.generation, said, *known)
        return Viewed(identity, SyncedFrom(connection=way.version), is_whole=settled)

    async def read(self, resource: VaultSecret, looked: Looked) -> Source:
        """Return the values as the vault last answered.

        Raises:
            ConnectionMissing: there is no such connection for this namespace.
            Failure: the vault could not be asked, or has not what is wanted.
            Waiting: they are being fetched.
        """
        try:
            way = self._way(resource)
        except _Undecided:
            raise Waiting(_LONG_SECONDS) from None
        viewed = self.viewed(resource)
        looked.source = viewed.identity
        if unusable := self.connections.unusable(way.key):
            raise unusable
        wish, now = self._wish(resource), self.clock()
        after = wish.came if wish.is_sync else wish.came - _JUST_SECONDS
        try:
            found = self._newer(way, resource, after, wish.came)
        except _Unanswered:
            since = wish.since if wish.since > -inf else now
            raise Waiting(since + _LONG_SECONDS - now) from None
        origin = SyncedFrom(connection=way.version)
        return Source(Viewed(viewed.identity, origin), found, way.provider.name)

    def _newer(
        self, way: _Way, resource: VaultSecret, after: float, since: float
    ) -> Mapping[str, bytes]:
        """Return the values; they are not said to lack by an answer before the wish.

        Args:
            way: how the vault is reached.
            resource: the resource.
            after: when the places are to have been asked.
            since: when the values began to be wanted.

        Raises:
            Failure: they could not be had.
            _Unanswered: they are being fetched.
        """
        try:
            return dict(self._values(way, resource, after))
        except NeedsPerson:
            return dict(self._values(way, resource, since))

    def _way(self, resource: VaultSecret) -> _Way:
        """Return the way to the vault, where the resource may go it.

        Raises:
            ConnectionMissing: it may not, or there is none: that is said alike.
            _Undecided: that is not known before its namespace is in view.
        """
        key = Key(*(resource.connection or ("", "")))
        connection = self.connections.get(key)
        lets = self.connections.lets(key, resource.namespace)
        if lets is None:
            raise _Undecided
        if connection is None or not lets:
            raise ConnectionMissing(
                f"VaultConnection {key} does not exist, or is not for namespace "
                f"{resource.namespace}"
            )
        module, settings = self.connections.section(key)
        return _Way(key, connection, module.PROVIDER, settings, resource.namespace)

    def _wish(self, resource: VaultSecret) -> _Wish:
        """Return what is wanted: an answer from when it began to be, or any."""
        key, asked = _key(resource), requests.pending(resource)
        if resource.realised and not asked:
            self._wishes.pop(key, None)
            return _Wish(None, -inf, -inf, is_sync=False)
        basis = (resource.uid, resource.generation, asked)
        wish = self._wishes.get(key)
        if wish is None or wish.basis != basis:
            is_sync = asked.sync is not None
            wish = _Wish(basis, self.came(key), self.clock(), is_sync)
            self._wishes[key] = wish
        return wish

    def _answers(
        self, way: _Way, resource: VaultSecret, after: float
    ) -> Mapping[str, Answer]:
        """Return what places answered that was asked for after a time.

        Raises:
            Failure: one of them could not be had.
            _Unanswered: one of them is being fetched.
        """
        places = _places(way, resource)
        answers = {p: self.places.look(PlaceKey(way.key, p)) for p in places}
        missing = [
            place
            for place, answer in answers.items()
            if answer.document is None or answer.asked < after
        ]
        told = due.is_stale(resource)
        for answer in answers.values():
            if answer.failure and _is_last_word(answer, after, told=told):
                raise answer.failure
        if not missing:
            return answers
        user, lane = _key(resource), _lane(resource)
        for place in missing:
            self.places.want(user, PlaceKey(way.key, place), after, lane)
        raise _Unanswered

    def _values(
        self, way: _Way, resource: VaultSecret, after: float
    ) -> Iterator[tuple[str, bytes]]:
        spec = resource.spec
        answers = self._answers(way, resource, after)
        for several in spec.fields_from:
            yield from _all(way, several, answers)
        for mapping in spec.field_mappings:
            yield mapping.field_name, _one(way, mapping, answers)


def _lane(resource: VaultSecret) -> Lane:
    """Return how soon a resource is to go on: a sync that was asked for can wait."""
    is_asked = requests.pending(resource).sync is not None
    return Lane.ROUTINE if is_asked and resource.realised else Lane.URGENT


def _one(way: _Way, mapping: FieldMapping, answers: Mapping[str, Answer]) -> bytes:
    wanted = _wanted(way, mapping.reference, mapping.version)
    value = _found(way, wanted, answers)
    if value is None:
        raise FieldMissing(
            f"field {mapping.field_name}: the vault has no {mapping.reference}, or it "
            "is not for this connection"
        )
    return extract.extract(
        value, mapping.field_name, path=mapping.property, decoding=mapping.decoding
    )


def _all(
    way: _Way, several: FieldsFrom, answers: Mapping[str, Answer]
) -> Iterator[tuple[str, bytes]]:
    place = way.provider.whole(way.settings, several.path)
    document = _document(place, answers) or Document({})
    values = document.values
    keys = [
        key
        for key in values
        if _may(way, way.provider.canonical(way.settings, place, key))
        and _may(way, document.origins.get(key))
    ]
    renames = [(rename.from_, rename.to) for rename in several.rename]
    chosen = extract.select(keys, several.include, several.exclude, renames)
    if not chosen:
        raise FieldMissing("the vault has no key that spec.fieldsFrom takes")
    for name, key in chosen.items():
        yield name, values[key]


def _wanted(way: _Way, reference: str, version: int | None) -> Wanted:
    """Return what a reference means, in one version or the newest."""
    if version is None:
        return way.provider.find(way.settings, reference)
    if way.provider.versioned is None:
        raise ReferenceInvalid(
            f"older versions of {way.provider.summary} cannot be had: leave version out"
        )
    return way.provider.versioned(way.settings, reference, version)


def _found(way: _Way, wanted: Wanted, answers: Mapping[str, Answer]) -> bytes | None:
    document = _document(wanted.place, answers)
    if document is None or not _may(way, wanted.canonical):
        return None
    if not _may(way, way.provider.origin(document, wanted.key)):
        return None
    return way.provider.pick(document, wanted.key)


def _document(place: str, answers: Mapping[str, Answer]) -> Document | None:
    """Return what a place holds; None where it was not to be asked for."""
    return answers[place].document if place in answers else None


def _may(way: _Way, canonical: str | None) -> bool:
    """Tell whether a reference may be read; None: there is no other to judge."""
    if canonical is None:
        return True
    may, caseless = way.connection.spec.access, way.provider.caseless
    if not way.provider.lets(way.settings, way.namespace, canonical):
        return False
    return access.covers(may, canonical, caseless=caseless)


def _places(way: _Way, resource: VaultSecret) -> tuple[str, ...]:
    """Return the places that a resource needs; what it may not read is none."""
    raw = resource.raw_spec
    wanted = [
        _wanted(way, str(mapping.get("reference", "")), mapping.get("version"))
        for mapping in raw.get("fieldMappings") or ()
    ]
    named = [each.place for each in wanted if _may(way, each.canonical)]
    whole = [
        way.provider.whole(way.settings, str(each.get("path") or ""))
        for each in raw.get("fieldsFrom") or ()
    ]
    below = [p for p in whole if _may(way, way.provider.canonical(way.settings, p, ""))]
    return tuple(dict.fromkeys([*named, *below]))


def _is_last_word(answer: Answer, after: float, *, told: bool) -> bool:
    """Tell whether a failure is the answer to what is wanted since then.

    Where nothing newer is wanted, that is one that lasts, or that the status tells.
    """
    return answer.is_lasting or told if after == -inf else answer.tried >= after


def _known(answer: Answer, *, told: bool) -> tuple[int, str]:
    failure = answer.failure if answer.is_lasting or told else None
    return answer.stamp, failure.reason if failure else ""


def _key(resource: VaultSecret) -> Key:
    return Key(resource.namespace, resource.name)
