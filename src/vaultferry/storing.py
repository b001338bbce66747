"""The story of what a store keeps of a VaultSecret besides its Secret.

Level-triggered, as reconciling is, and beside it: the Secret does not wait for a store.
It begins where the Secret is right. Where the status says that all of it is kept, no
call is made; else what is there is compared, and only what differs is written.

A store knows no condition on which it writes. The Lease is checked right before, which
is no fence: what a paused process has sent may still arrive.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

import structlog

from vaultferry import gather
from vaultferry.cluster import Cluster
from vaultferry.connections import Connections
from vaultferry.core import access, stored
from vaultferry.core.answers import Absent, Stale
from vaultferry.core.attempts import Attempts
from vaultferry.core.backoff import is_outage
from vaultferry.core.errors import (
    ApiForbidden,
    ApiUnavailable,
    ConnectionMissing,
    ConnectionNotReady,
    Failure,
    InvalidSpec,
    NamespaceTerminating,
    NotLeading,
    RateLimited,
    StoreInvalid,
    VaultFailure,
)
from vaultferry.core.events import Event, transitions
from vaultferry.core.keyring import Keyring
from vaultferry.core.provider import Keeping, Store
from vaultferry.core.stored import Place
from vaultferry.core.vaultsecret import Status, Stored, VaultSecret
from vaultferry.gather import Superseded
from vaultferry.places import Places
from vaultferry.views import Key, VaultSecrets

log = structlog.get_logger()

GIVE_UP_SECONDS = 600.0
"""How long a store may refuse before what it keeps is left there."""

_SOON_SECONDS = 1.0
_ROUNDS = 3
_SYSTEM = "kube-system"

_GONE = (ConnectionMissing, ConnectionNotReady, StoreInvalid)
_OURS = (ApiUnavailable, NotLeading)
"""What is no fault of a store."""


class _Opening(Exception):
    """The connection is there, and its session is not opened yet."""


@dataclass(frozen=True)
class Around:
    """What surrounds it: clocks, chance, and who is told."""

    clock: Callable[[], float]
    """The monotonic clock, in seconds."""

    now: Callable[[], str]
    """The wall clock, RFC 3339."""

    chance: Callable[[], float]
    """A random number from 0 to 1."""

    post: Callable[[VaultSecret, Event], None]
    """Takes an event for a resource."""

    check_leads: Callable[[], None]
    """Raises NotLeading where others may lead by now."""

    is_known: Callable[[str], bool]
    """Tells whether a connection of a namespace that is not in view is not there."""


@dataclass
class Installation:
    """By what this installation is told from others: asked for once, where needed."""

    cluster: Cluster
    known: str | None

    async def __call__(self) -> str:
        """Return the id.

        Raises:
            Failure: it is not configured, and cannot be read.
        """
        if self.known is None:
            self.known = await self._read()
        return self.known

    async def _read(self) -> str:
        try:
            body = await self.cluster.get_namespace(_SYSTEM)
        except ApiForbidden:
            raise ApiForbidden(
                f"the operator may not read the namespace {_SYSTEM}, by whose uid a "
                "store knows this cluster: give it that right, or --installation-id"
            ) from None
        return str(body["metadata"]["uid"])


@dataclass(frozen=True)
class _Shelf:
    """Where the values of one VaultSecret are, in a store that can be asked."""

    place: Place
    store: Store
    tags: Mapping[str, str]
    connection: Key


@dataclass
class Storer:
    """Keeps the values of VaultSecrets in stores, and takes them away again."""

    cluster: Cluster
    keyring: Keyring
    vaultsecrets: VaultSecrets
    connections: Connections
    places: Places
    installation: Installation
    around: Around
    _attempts: Attempts = field(default_factory=Attempts)
    _refused: dict[Key, float] = field(default_factory=dict)
    """Since when what is kept cannot be taken away."""

    async def __call__(self, key: Key) -> float:
        """Look after what is kept of a VaultSecret; return the seconds to the next."""
        resource = self.vaultsecrets.get(key)
        if resource is None or not stored.concerns(resource):
            self._forget(key)
            return inf
        if not all(map(self.around.is_known, _namespaces(resource))):
            return _SOON_SECONDS
        basis = self._basis(resource)
        if wait := self._attempts.wait(key, basis, self.around.clock()):
            return wait
        return await self._attempt(key, resource, basis)

    async def _attempt(self, key: Key, resource: VaultSecret, basis: Hashable) -> float:
        try:
            await self._settle(key, resource)
        except (Absent, NamespaceTerminating, Superseded):
            # The watch tells what came, or of the end.
            return inf
        except (Stale, _Opening):
            return _SOON_SECONDS
        except Failure as failure:
            return await self._failed(key, resource, failure, basis)
        self._forget(key)
        return inf

    def _forget(self, key: Key) -> None:
        self._attempts.clear(key)
        self._refused.pop(key, None)

    async def _settle(self, key: Key, resource: VaultSecret) -> None:
        """Take away what is at another place, then keep what is to be kept."""
        wanted = None if resource.deleting else resource.store
        there = resource.status.stored
        if there and wanted != (there.namespace, there.name):
            resource = await self._empty(key, resource, there)
        if wanted is None:
            await self._hold(key, resource, held=False)
            return
        keeping, place = self._place(resource, Key(*wanted))
        there = resource.status.stored
        if there and not stored.is_there(there, place):
            resource = await self._empty(key, resource, there)
        if resource.realised and not resource.suspended:
            await self._keep(key, resource, keeping, place)

    def _place(
        self, resource: VaultSecret, connection: Key
    ) -> tuple[Keeping[Any], Place]:
        """Return where the values of a resource are to be kept, and how.

        Raises:
            ConnectionMissing: there is no such connection for its namespace.
            StoreInvalid: it is no store, or not for these values.
        """
        found = self.connections.get(connection)
        lets = self.connections.lets(connection, resource.namespace)
        if found is None or not lets:
            raise ConnectionMissing(
                f"VaultConnection {connection} does not exist, or is not for namespace "
                f"{resource.namespace}"
            )
        keeping, settings = self._keeping(connection)
        path = keeping.path(settings, resource.namespace, resource.name)
        if not access.covers(found.spec.access, f"{path}/"):
            raise StoreInvalid(
                f"access.keys of VaultConnection {connection} has nothing below {path}"
            )
        return keeping, Place(found.uid, *connection, keeping.address(settings), path)

    def _keeping(self, connection: Key) -> tuple[Keeping[Any], Any]:
        """Return how a connection in view keeps values, and its settings.

        Raises:
            StoreInvalid: it keeps none.
        """
        try:
            module, settings = self.connections.section(connection)
        except InvalidSpec:
            module = None
        if module is None or module.PROVIDER.keeping is None:
            raise StoreInvalid(
                f"VaultConnection {connection} is to no store: Parameter Store of AWS "
                "is one (awsSsm)"
            )
        return module.PROVIDER.keeping, settings

    async def _keep(
        self, key: Key, resource: VaultSecret, keeping: Keeping[Any], place: Place
    ) -> None:
        """Have the values of a resource at a place, and nothing else of it."""
        if stored.is_kept(resource, place) and resource.status.stored:
            await self._hold(key, resource, held=True)
            await self._note(key, resource, resource.status.stored)
            return
        values = gather.opened(self.keyring, resource, resource.spec)
        for name, value in values.items():
            keeping.check(place.path, name, value)
        await self._hold(key, resource, held=True)
        shelf = await self._shelf(resource, place)
        before = stored.ahead(resource, place, values)
        await self._write(
            key, resource, lambda r: r.status.model_copy(update={"stored": before})
        )
        await self._bring(shelf, values, before.fields)
        await self._note(key, resource, stored.done(resource, place, values))

    async def _bring(
        self, shelf: _Shelf, values: Mapping[str, bytes], known: Iterable[str]
    ) -> None:
        """Write what differs, after all that is there was seen to be ours."""
        named = {shelf.place.of(name): value for name, value in values.items()}
        gone = [shelf.place.of(name) for name in known if name not in values]
        found = {name: await self._ask(shelf, shelf.store.tags(name)) for name in named}
        stored.check_ours(found, shelf.tags)
        there = [name for name, tags in found.items() if tags is not None]
        kept = await self._ask(shelf, shelf.store.read(there)) if there else {}
        for name, value in stored.differing(named, kept).items():
            self.around.check_leads()
            writing = (
                shelf.store.create(name, value, shelf.tags)
                if found[name] is None
                else shelf.store.replace(name, value)
            )
            await self._ask(shelf, writing)
        await self._remove(shelf, gone)

    async def _remove(self, shelf: _Shelf, names: Iterable[str]) -> None:
        """Take away what is under names, as far as it is ours."""
        found = {name: await self._ask(shelf, shelf.store.tags(name)) for name in names}
        ours = [
            name for name, tags in found.items() if stored.is_ours(tags, shelf.tags)
        ]
        if ours:
            self.around.check_leads()
            await self._ask(shelf, shelf.store.delete(ours))

    async def _empty(
        self, key: Key, resource: VaultSecret, there: Stored
    ) -> VaultSecret:
        """Take away what is kept at a place; leave it where that cannot be.

        Returns the resource as it is then.
        """
        place = stored.place(there)
        try:
            shelf = await self._shelf(resource, place)
            await self._remove(shelf, map(place.of, there.fields))
        except _OURS:
            raise
        except Failure as failure:
            if not self._gives_up(key, failure):
                raise
            self._leave(key, resource, there, failure)
        self._refused.pop(key, None)
        if resource.deleting:
            return resource
        return await self._write(key, resource, stored.without)

    def _gives_up(self, key: Key, failure: Failure) -> bool:
        now = self.around.clock()
        refused = now - self._refused.setdefault(key, now) >= GIVE_UP_SECONDS
        return refused or isinstance(failure, _GONE)

    def _leave(
        self, key: Key, resource: VaultSecret, there: Stored, failure: Failure
    ) -> None:
        log.warning(
            "left in store",
            namespace=key.namespace,
            name=key.name,
            path=there.path,
            fields=there.fields,
            reason=failure.reason,
        )
        self.around.post(resource, stored.left(there, failure))

    async def _shelf(self, resource: VaultSecret, place: Place) -> _Shelf:
        """Return a place in its store.

        Raises:
            ConnectionMissing: the way there is gone.
            VaultFailure: it cannot be used now.
            _Opening: it is about to be there.
        """
        key = Key(place.namespace, place.name)
        found = self.connections.get(key)
        if found is None or found.deleting:
            raise ConnectionMissing(f"VaultConnection {key} is gone")
        keeping, settings = self._keeping(key)
        if keeping.address(settings) != place.address:
            raise ConnectionMissing(f"VaultConnection {key} is to another store now")
        if unusable := self.connections.unusable(key):
            raise unusable
        tags = stored.tags(await self.installation(), resource.namespace, resource.name)
        session = self.places.session(key)
        if session is None:
            raise _Opening
        return _Shelf(place, keeping.store(session), tags, key)

    async def _ask(self, shelf: _Shelf, call: Awaitable[Any]) -> Any:
        """Make a call to a store; where it does not do, its connection is told."""
        try:
            return await call
        except RateLimited:
            # Writes are limited by themselves, and are no reason not to read.
            raise
        except VaultFailure as failure:
            self.places.blame(shelf.connection, failure)
            raise

    async def _hold(self, key: Key, resource: VaultSecret, *, held: bool) -> None:
        """Set the finalizer, or take it away, where that is not so."""
        for _ in range(_ROUNDS):
            resource = self._current(key, resource)
            wanted = stored.finalizers(resource, held=held)
            if wanted == list(resource.finalizers):
                return
            if held and resource.deleting:
                raise Superseded
            guard = {"uid": resource.uid, "resourceVersion": resource.resource_version}
            try:
                metadata = await self.cluster.patch_finalizers(
                    *key, {**guard, "finalizers": wanted}
                )
            except Stale:
                await self._look(key)
            else:
                self.vaultsecrets.put_status(
                    key, metadata["metadata"], resource.status.dumped()
                )
                return
        raise Stale

    async def _note(self, key: Key, resource: VaultSecret, there: Stored) -> None:
        """Say that the values of a resource are at a place."""
        await self._write(
            key,
            resource,
            lambda r: stored.with_stored(
                r, there, resource.generation, self.around.now()
            ),
        )

    async def _write(
        self,
        key: Key,
        resource: VaultSecret,
        change: Callable[[VaultSecret], Status],
    ) -> VaultSecret:
        """Write a status where it differs; return the resource as it is then.

        Raises:
            Superseded: the resource is gone, or going.
            Stale: it changes too often.
        """
        for _ in range(_ROUNDS):
            resource = self._current(key, resource)
            after = change(resource)
            if after == resource.status:
                return resource
            if resource.deleting:
                raise Superseded
            said = after.dumped()
            try:
                answer = await self.cluster.update_status(resource, said)
            except Stale:
                await self._look(key)
                continue
            self.vaultsecrets.put_status(key, answer["metadata"], said)
            for event in transitions(resource.status.conditions, after.conditions):
                self.around.post(resource, event)
            return self._current(key, resource)
        raise Stale

    async def _look(self, key: Key) -> None:
        """Read a resource that is not as it is in view."""
        self.vaultsecrets.put(await self.cluster.get_vaultsecret(*key))

    def _current(self, key: Key, resource: VaultSecret) -> VaultSecret:
        """Return a resource as it is in view now.

        Raises:
            Superseded: it is gone, or another one of its name.
        """
        now = self.vaultsecrets.get(key)
        if now is None or now.uid != resource.uid:
            raise Superseded
        return now

    async def _failed(
        self, key: Key, resource: VaultSecret, failure: Failure, basis: Hashable
    ) -> float:
        """Remember a failure, and say it where it lasts or needs a person."""
        now = self.around.clock()
        wait = self._attempts.fail(key, basis, now, self.around.chance(), retry=True)
        since = self._attempts.since(key, now)
        log.warning(
            "not stored",
            namespace=key.namespace,
            name=key.name,
            reason=failure.reason,
        )
        lasts = not failure.retry or is_outage(self._attempts.count(key), since)
        if lasts and not resource.deleting:
            await self._tell(key, resource, failure)
        return wait

    async def _tell(self, key: Key, resource: VaultSecret, failure: Failure) -> None:
        try:
            await self._write(
                key,
                resource,
                lambda r: stored.with_failure(r, failure, self.around.now()),
            )
        except (Absent, Failure, Stale, Superseded):
            # It is said after the next attempt.
            return

    def _basis(self, resource: VaultSecret) -> Hashable:
        """Return all that an attempt depends on and that we watch."""
        ways = {resource.store, _kept_at(resource)} - {None}
        seen = tuple(sorted((way, self._seen(Key(*way))) for way in ways if way))
        about = (resource.uid, resource.generation, resource.deleting)
        return *about, resource.status.version, stored.asked_sync(resource), seen

    def _seen(self, connection: Key) -> str:
        unusable = self.connections.unusable(connection)
        version = self.places.version(connection)
        failing = unusable or self.places.health(connection)
        return repr((version, failing and failing.reason))


def _kept_at(resource: VaultSecret) -> tuple[str, str] | None:
    there = resource.status.stored
    return (there.namespace, there.name) if there else None


def _namespaces(resource: VaultSecret) -> set[str]:
    """Return the namespaces of the connections that a resource has to do with."""
    ways = (resource.store, _kept_at(resource))
    return {way[0] for way in ways if way}
