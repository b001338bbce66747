"""The story of one reconciliation: gather, decide, act, report.

Level-triggered: it starts from the present state, whatever woke it, and may run at
any time and any number of times. Where nothing differs, nothing is written.
"""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from typing import Any

from vaultferry import formats, gather
from vaultferry.act import Actor, Done
from vaultferry.cluster import Cluster
from vaultferry.core import due, events, expiry, report, requests, source, stored
from vaultferry.core.answers import Absent, Stale
from vaultferry.core.attempts import Attempts
from vaultferry.core.backoff import is_outage
from vaultferry.core.contention import Contention
from vaultferry.core.due import Need
from vaultferry.core.errors import (
    Failure,
    InvalidSpec,
    NamespaceTerminating,
    VaultFailure,
)
from vaultferry.core.events import Event
from vaultferry.core.keyring import Keyring
from vaultferry.core.looked import Looked
from vaultferry.core.merge import is_merging
from vaultferry.core.outcome import (
    Contended,
    Outcome,
    Progressing,
    Realised,
    RefreshFailed,
    Suspended,
    Unchanged,
    of_failure,
)
from vaultferry.core.report import Realisation
from vaultferry.core.secret import Seen
from vaultferry.core.source import Viewed
from vaultferry.core.trickle import Trickle
from vaultferry.core.urgency import Lane
from vaultferry.core.vaultsecret import FORCE_SYNC, Status, VaultSecret
from vaultferry.merge import Merger, left_behind
from vaultferry.sourcing import Sources, VaultSource, Waiting
from vaultferry.views import Key, Secrets, VaultSecrets

_UNKNOWN_LAYOUT = -1


@dataclass(frozen=True)
class Surroundings:
    """What a reconciliation does not decide: clocks, chance, and who is told."""

    now: Callable[[], str]
    """The wall clock, RFC 3339."""

    clock: Callable[[], float]
    """The monotonic clock, in seconds."""

    chance: Callable[[], float]
    """A random number from 0 to 1."""

    post: Callable[[VaultSecret, Event], None]
    """Takes an event for a resource."""

    repaired: Callable[[], None]
    """Is told that a Secret was made right that somebody changed or deleted."""

    keep: Callable[[Key], None]
    """Has the store looked at that keeps values of a resource, or is to."""

    prefixes: Sequence[str]
    """The prefixes allowed in labels and annotations of targets."""


@dataclass(frozen=True)
class Result:
    """How a reconciliation ended, for metrics, logs and the queue."""

    name: str
    """`nothing`, `waiting`, `reported`, `superseded`, or the reason of a failure."""

    again: float = inf
    """Seconds until the next one, where nothing wakes it before."""

    lane: Lane = Lane.ROUTINE
    """The lane of that next one."""

    request_id: str | None = None
    """The id of the client request that this attempt handled."""

    @property
    def is_failure(self) -> bool:
        """Whether the name is the reason of a failure."""
        return self.name[0].isupper()


_NOTHING = Result("nothing")

_SAID: Mapping[Need, Outcome] = {Need.RECOGNISE: Unchanged(), Need.SUSPEND: Suspended()}
"""What is only said."""


@dataclass
class Reconciler:
    """Reconciles one VaultSecret at a time per key."""

    cluster: Cluster
    vaultsecrets: VaultSecrets
    secrets: Secrets
    keyring: Keyring
    around: Surroundings
    vaults: VaultSource
    _sources: Sources = field(init=False)
    _merger: Merger = field(init=False)
    _attempts: Attempts = field(default_factory=Attempts)
    _contention: Contention = field(default_factory=Contention)
    _trickle: Trickle = field(default_factory=Trickle)
    _right: dict[Key, Hashable] = field(default_factory=dict)
    """Secrets that moved since the status was written, and were found right."""

    _read: dict[Key, Hashable] = field(default_factory=dict)
    """Sources that moved since the status was written, and changed nothing."""

    _warned: expiry.Warned = field(default_factory=expiry.Warned)
    _ignored: dict[Key, int] = field(default_factory=dict)
    """The hash of the last forced sync that was ignored, and an event said so."""

    def __post_init__(self) -> None:
        """Have those who merge into one Secret take turns."""
        self._sources = Sources(self.cluster, self.secrets, self.vaults)
        self._merger = Merger(self.cluster, self.secrets, self.keyring)

    @property
    def failing(self) -> int:
        """How many VaultSecrets failed when they were last attempted."""
        return len(self._attempts)

    async def __call__(self, key: Key) -> Result:
        """Reconcile a VaultSecret from the present state."""
        resource = self.vaultsecrets.get(key)
        cleaned = _NOTHING
        if left := left_behind(self.secrets, key, resource):
            cleaned = await self._clean(key, left)
        if resource is None:
            self._forget(key)
            if not left:
                self._attempts.clear(_cleaning(key))
            return cleaned
        result = await self._reconciled(key, resource)
        if stored.concerns(resource):
            self.around.keep(key)
        again = min(result.again, cleaned.again, self._tell_expiring(key))
        return replace(result, again=again)

    async def _reconciled(self, key: Key, resource: VaultSecret) -> Result:
        self._tell_ignored(key, resource)
        self._sources.follow(resource)
        need = self._need(key, resource)
        if need is Need.NOTHING:
            self._attempts.clear(key)
            return await self._trickled(key, resource)
        basis, now = partial(self._basis, resource), self.around.clock()
        truce = self._contention.wait(key, _about(resource), now)
        if wait := self._attempts.wait(key, basis(), now):
            return Result("waiting", wait)
        if truce:
            telling = self._tell_contended(key, resource, truce)
            return await self._guarded(key, telling, basis)
        attempt = self._attempt(key, resource, need)
        try:
            result = await self._guarded(key, attempt, basis)
        except Waiting as waiting:
            telling = self._tell_waiting(key, resource, waiting.patience)
            return await self._guarded(key, telling, basis)
        return replace(result, request_id=requests.pending(resource).request_id)

    async def _tell_contended(
        self, key: Key, resource: VaultSecret, truce: float
    ) -> Result:
        """Leave the Secret, and say why where the write after its repair failed."""
        ready = resource.status.condition("Ready")
        if ready is not None and ready.reason == "Contended":
            return Result("waiting", truce)
        result = await self._report(key, resource, Contended())
        self._attempts.clear(key)
        return replace(result, again=truce)

    async def _clean(self, key: Key, left: Sequence[Seen]) -> Result:
        """Take out of Secrets what a VaultSecret has left there.

        Whether it is gone is asked of the API server: the view may lag behind.
        """
        cleaning, basis = _cleaning(key), tuple(seen.identity for seen in left)
        if wait := self._attempts.wait(cleaning, basis, self.around.clock()):
            return Result("waiting", wait)

        async def attempt() -> Result:
            for seen in left:
                await self._merger.clean(key, seen)
            self._attempts.clear(cleaning)
            return Result("cleaned")

        return await self._guarded(cleaning, attempt(), lambda: basis)

    async def _guarded(
        self,
        key: Hashable,
        attempt: Awaitable[Result],
        basis: Callable[[], Hashable],
    ) -> Result:
        try:
            return await attempt
        except (Absent, NamespaceTerminating, gather.Superseded):
            return Result("superseded")
        except Stale:
            # The watch is about to tell what changed, or is behind for a while.
            return self._failed(key, basis(), "superseded", retry=True)
        except Failure as failure:
            return self._failed(key, basis(), failure.reason, retry=failure.retry)

    async def _tell_waiting(
        self, key: Key, resource: VaultSecret, left: float
    ) -> Result:
        """Leave it to whoever fetches the values; say so where that takes long."""
        if left > 0:
            return Result("waiting", left)
        if resource.status.condition("Ready"):
            return Result("waiting")
        return await self._report(key, resource, Progressing())

    def _need(self, key: Key, resource: VaultSecret) -> Need:
        seen = self.secrets.get(gather.target(resource))
        try:
            layout = formats.layout(resource.spec.target)
        except InvalidSpec:
            layout = _UNKNOWN_LAYOUT
        viewed = self._sources.viewed(resource)
        moved = source.has_moved(resource, viewed, self._read.get(key))
        right = self._right.get(key)
        return due.needed(resource, seen, layout, right, source_moved=moved)

    async def _attempt(self, key: Key, resource: VaultSecret, need: Need) -> Result:
        if said := _SAID.get(need):
            return await self._report(key, resource, said)
        looked = self._looked(resource)
        try:
            found = await self._sources.read(resource, looked)
            material = gather.material(
                self.keyring, resource, self.around.prefixes, self.around.now(), found
            )
            done = await self._actor(resource).realise(resource, material, looked)
        except NamespaceTerminating:
            raise
        except Failure as failure:
            # Before the status is written: what ends meanwhile has ended since.
            basis = self._based(resource, looked)
            await self._report_failure(key, resource, failure)
            return self._failed(key, basis, failure.reason, retry=failure.retry)
        if found:
            self._read[key] = found.viewed.identity
        if need is Need.COMPARE and self._is_let_be(key, resource, done):
            self._attempts.clear(key)
            self._trickle.put_off(key, self.around.clock())
            return await self._trickled(key, resource)
        result = await self._report_done(key, resource, done)
        self._attempts.clear(key)
        return result

    def _actor(self, resource: VaultSecret) -> Actor | Merger:
        if is_merging(resource):
            return self._merger
        return Actor(self.cluster, self.secrets, self.keyring)

    def _is_let_be(self, key: Key, resource: VaultSecret, done: Done) -> bool:
        """Tell whether only foreign metadata moved, and nothing else is to be said.

        Writing that to the status would follow every such change: it is done once.
        """
        if done.wrote:
            return False
        self._right[key] = done.seen.identity
        return self._need(key, resource) is Need.NOTHING

    async def _trickled(self, key: Key, resource: VaultSecret) -> Result:
        """Say in the status, in its turn, which version of the Secret was found right.

        Only the next process gains by that: it need not read the Secret to know.
        """
        wait = self._trickle.wait(key, self.around.clock())
        if wait > 0:
            return replace(_NOTHING, again=wait, lane=Lane.LAST)
        self._trickle.done(key)
        if resource.deleting:
            return _NOTHING
        try:
            after = self._noted(key, resource, resource.status)
            return await self._write(key, resource, after)
        except (Absent, Stale, Failure):
            # It is no loss: the next process looks for itself.
            return _NOTHING

    def _noted(self, key: Key, resource: VaultSecret, status: Status) -> Status:
        """Return a status that names the versions of Secrets that were found right.

        Else a later process that cannot tell would have to call them wrong.
        """
        changes: dict[str, Any] = {}
        seen, synced = self.secrets.get(gather.target(resource)), status.synced_secret
        if seen and synced and seen.identity == self._right.get(key):
            moved = {"uid": seen.uid, "resource_version": seen.resource_version}
            changes["synced_secret"] = synced.model_copy(update=moved)
        viewed = self._sources.viewed(resource)
        if viewed and status.synced_from and self._is_read(key, viewed):
            changes["synced_from"] = viewed.origin
        return status.model_copy(update=changes)

    def _is_read(self, key: Key, viewed: Viewed) -> bool:
        """Tell whether a source is there, and as it was when it was last read."""
        there = viewed.identity is not None
        return there and viewed.identity == self._read.get(key)

    async def _report_done(self, key: Key, resource: VaultSecret, done: Done) -> Result:
        now, about = self.around.clock(), _about(resource)
        if done.wrote and _is_repair(resource, done):
            self._contention.repaired(key, about, now)
            self.around.repaired()
        if left := self._contention.lasts(key, about, now):
            result = await self._report(key, resource, Contended(), done.realisation)
            return replace(result, again=left)
        how = Realised(external=resource.is_external)
        return await self._report(key, resource, how, done.realisation)

    async def _report(
        self,
        key: Key,
        resource: VaultSecret,
        how: Outcome,
        realisation: Realisation | None = None,
    ) -> Result:
        """Write the status where it differs."""
        after = report.status(resource, how, realisation, self.around.now())
        if realisation is None:
            after = self._noted(key, resource, after)
        return await self._write(key, resource, after)

    async def _write(self, key: Key, resource: VaultSecret, after: Status) -> Result:
        before = resource.status
        if after == before:
            return _NOTHING
        said = after.dumped()
        answer = await self.cluster.update_status(resource, said)
        self.vaultsecrets.put_status(key, answer["metadata"], said)
        for event in events.transitions(before.conditions, after.conditions):
            self.around.post(resource, event)
        return Result("reported")

    async def _report_failure(
        self, key: Key, resource: VaultSecret, failure: Failure
    ) -> None:
        seen = self.secrets.get(gather.target(resource))
        how = of_failure(resource, failure, seen, self._right.get(key))
        if not self._is_blip(key, how):
            await self._report(key, resource, how)

    def _is_blip(self, key: Key, how: Outcome) -> bool:
        if not isinstance(how, RefreshFailed) or not how.failure.retry:
            return False
        if isinstance(how.failure, VaultFailure):
            # It has lasted: who fetches for many tells of nothing shorter.
            return False
        since = self._attempts.since(key, self.around.clock())
        return not is_outage(self._attempts.count(key) + 1, since)

    def _failed(
        self, key: Hashable, basis: Hashable, name: str, *, retry: bool
    ) -> Result:
        wait = self._attempts.fail(
            key,
            basis,
            self.around.clock(),
            self.around.chance(),
            retry=retry,
        )
        return Result(name, wait)

    def _basis(self, resource: VaultSecret) -> Hashable:
        return self._based(resource, self._looked(resource))

    def _looked(self, resource: VaultSecret) -> Looked:
        """Return what is in view of the Secret of a resource, and of its source."""
        seen = self.secrets.get(gather.target(resource))
        viewed = self._sources.viewed(resource)
        return Looked(seen, viewed.identity if viewed else None)

    def _based(self, resource: VaultSecret, looked: Looked) -> Hashable:
        """Return all that an attempt depends on and that we watch."""
        asked = requests.asked(resource.annotations)
        rival = gather.rival(self.secrets, resource, looked.seen)
        seen = looked.seen and looked.seen.identity
        return *_about(resource), asked, seen, looked.source, rival

    def _tell_ignored(self, key: Key, resource: VaultSecret) -> None:
        """Post that a forced sync in a bad form is ignored, once for each value."""
        asked = hash((resource.uid, resource.annotations.get(FORCE_SYNC)))
        if requests.is_sync_ignored(resource) and self._ignored.get(key) != asked:
            self._ignored[key] = asked
            self.around.post(resource, events.SYNC_IGNORED)

    def _tell_expiring(self, key: Key) -> float:
        """Post that a credential expires soon, once; return the seconds until then."""
        ends = self.vaultsecrets.expiry(key)
        if ends is None:
            return inf
        now = expiry.seconds(self.around.now()) or 0.0
        if self._warned.is_due(key, ends, now) and (
            resource := self.vaultsecrets.get(key)
        ):
            self.around.post(resource, events.expires(resource.status))
        return expiry.wait(ends, now)

    def _forget(self, key: Key) -> None:
        self._sources.forget(key)
        self._warned.forget(key)
        self._attempts.clear(key)
        self._contention.forget(key)
        self._right.pop(key, None)
        self._read.pop(key, None)
        self._trickle.forget(key)
        self._ignored.pop(key, None)


def _cleaning(key: Key) -> Hashable:
    """Return what failed clean-ups are remembered under: the resource may be there."""
    return "clean", key


def _is_repair(resource: VaultSecret, done: Done) -> bool:
    """Tell whether a Secret was written that had been right, with the same values."""
    status = resource.status
    same_values = status.version == done.realisation.version
    return same_values and status.realised_spec == resource.spec_digest


def _about(resource: VaultSecret) -> tuple[str, int]:
    return resource.uid, resource.generation
