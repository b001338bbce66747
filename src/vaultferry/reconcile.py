"""The story of one reconciliation: gather, decide, act, report.

Level-triggered: it starts from the present state, whatever woke it, and may run at
any time and any number of times. Where nothing differs, nothing is written.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from math import inf

from vaultferry import formats, gather
from vaultferry.cluster import Absent, Cluster, Stale
from vaultferry.core import desired, due, events, plan, report, versions
from vaultferry.core.attempts import Attempts
from vaultferry.core.backoff import is_outage
from vaultferry.core.due import Need
from vaultferry.core.errors import (
    ApiRejected,
    ApiUnavailable,
    Failure,
    InvalidSpec,
    NamespaceTerminating,
)
from vaultferry.core.events import Event
from vaultferry.core.keyring import Keyring
from vaultferry.core.outcome import (
    Outcome,
    Realised,
    RefreshFailed,
    Suspended,
    Unchanged,
    of_failure,
)
from vaultferry.core.report import Realisation
from vaultferry.core.secret import Current, Desired, Seen
from vaultferry.core.vaultsecret import FORCE_SYNC, SyncedSecret, VaultSecret
from vaultferry.gather import Material
from vaultferry.views import Key, Secrets, VaultSecrets

_ROUNDS = 3
_PROVIDER = "sealed"
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

    prefixes: Sequence[str]
    """The prefixes allowed in labels and annotations of targets."""


@dataclass(frozen=True)
class Result:
    """How a reconciliation ended, for metrics, logs and the queue."""

    name: str
    """`nothing`, `waiting`, `reported`, `superseded`, or the reason of a failure."""

    again: float = inf
    """Seconds until the next one, where nothing wakes it before."""

    @property
    def is_failure(self) -> bool:
        """Whether the name is the reason of a failure."""
        return self.name[0].isupper()


_NOTHING = Result("nothing")


@dataclass
class Reconciler:
    """Reconciles one VaultSecret at a time per key."""

    cluster: Cluster
    vaultsecrets: VaultSecrets
    secrets: Secrets
    keyring: Keyring
    around: Surroundings
    _attempts: Attempts = field(default_factory=Attempts)
    _right: dict[Key, Hashable] = field(default_factory=dict)
    """Secrets that moved since the status was written, and were found right."""

    _ignored: dict[Key, int] = field(default_factory=dict)
    """The hash of the last forced sync that was ignored, and an event said so."""

    async def __call__(self, key: Key) -> Result:
        """Reconcile a VaultSecret from the present state."""
        resource = self.vaultsecrets.get(key)
        if resource is None:
            self._forget(key)
            return _NOTHING
        self._tell_ignored(key, resource)
        need = self._need(key, resource)
        if need is Need.NOTHING:
            self._attempts.clear(key)
            return _NOTHING
        if wait := self._wait(key, resource):
            return Result("waiting", wait)
        return await self._guarded(key, resource, need)

    def _wait(self, key: Key, resource: VaultSecret) -> float:
        now = self.around.clock()
        return self._attempts.wait(key, self._basis(resource), now)

    async def _guarded(self, key: Key, resource: VaultSecret, need: Need) -> Result:
        try:
            return await self._attempt(key, resource, need)
        except (Absent, NamespaceTerminating, gather.Superseded):
            return Result("superseded")
        except Stale:
            # The watch is about to tell what changed, or is behind for a while.
            return self._failed(key, resource, "superseded", retry=True)
        except Failure as failure:
            return self._failed(key, resource, failure.reason, retry=failure.retry)

    def _need(self, key: Key, resource: VaultSecret) -> Need:
        seen = self.secrets.get(gather.target(resource))
        try:
            layout = formats.layout(resource.spec.target.formats)
        except InvalidSpec:
            layout = _UNKNOWN_LAYOUT
        return due.needed(resource, seen, layout, self._right.get(key))

    async def _attempt(self, key: Key, resource: VaultSecret, need: Need) -> Result:
        if need is Need.RECOGNISE:
            return await self._report(key, resource, Unchanged())
        if need is Need.SUSPEND:
            return await self._report(key, resource, Suspended())
        before = self.secrets.get(gather.target(resource))
        try:
            material = gather.material(self.keyring, resource, self.around.prefixes)
            wanted, seen = await self._realise(resource, material)
        except NamespaceTerminating:
            raise
        except Failure as failure:
            return await self._report_failure(key, resource, failure)
        if need is Need.COMPARE and self._is_let_be(key, resource, before, seen):
            self._attempts.clear(key)
            return _NOTHING
        realisation = _realisation(material, wanted, seen)
        result = await self._report(key, resource, Realised(), realisation)
        self._attempts.clear(key)
        return result

    def _is_let_be(
        self, key: Key, resource: VaultSecret, before: Seen | None, seen: Seen
    ) -> bool:
        """Tell whether only foreign metadata moved, and nothing else is to be said.

        Writing that to the status would follow every such change.
        """
        if before is None or before.identity != seen.identity:
            return False
        self._right[key] = seen.identity
        return self._need(key, resource) is Need.NOTHING

    async def _realise(
        self, resource: VaultSecret, material: Material
    ) -> tuple[Desired, Seen]:
        """Make the Secret right; return what was wanted and what is there now."""
        comparable = versions.comparable(self.keyring, resource, material.values)
        current = await gather.current(
            self.cluster, self.secrets, resource, comparable=comparable
        )
        for _ in range(_ROUNDS):
            wanted = _wanted(self.keyring, resource, material, current)
            try:
                return wanted, await self._act(resource, plan.write(wanted, current))
            except (Stale, Absent):
                current = await self._read(resource)
            except ApiRejected:
                if current is None or current.content is not None:
                    raise
                # Written unread; the content may tell why, as being immutable does.
                current = await self._read(resource)
        raise ApiUnavailable("the Secret changed while it was being written")

    async def _read(self, resource: VaultSecret) -> Current | None:
        target = gather.target(resource)
        return await gather.read(self.cluster, self.secrets, target)

    async def _act(self, resource: VaultSecret, write: plan.Write) -> Seen:
        namespace, name = gather.target(resource)
        match write:
            case plan.Keep(seen=seen):
                return seen
            case plan.Patch(operations=operations, claims=claims):
                if claims:
                    # A deletion with --cascade=orphan may have just taken it away.
                    await gather.check_wanted(self.cluster, resource)
                body = await self.cluster.patch_secret(namespace, name, operations)
            case plan.Create(manifest=manifest):
                if resource.status.synced_secret is not None:
                    await gather.check_wanted(self.cluster, resource)
                body = await self.cluster.create_secret(namespace, manifest)
        self.secrets.put(body)
        return Seen.parse(body)

    async def _report(
        self,
        key: Key,
        resource: VaultSecret,
        how: Outcome,
        realisation: Realisation | None = None,
    ) -> Result:
        """Write the status where it differs."""
        before = resource.status
        after = report.status(resource, how, realisation, self.around.now())
        changes = report.patch(before, after)
        if not changes:
            return _NOTHING
        guard = {"uid": resource.uid, "resourceVersion": resource.resource_version}
        answer = await self.cluster.patch_status(
            *key, {"metadata": guard, "status": changes}
        )
        self.vaultsecrets.put_status(key, answer["metadata"], after.dumped())
        for event in events.transitions(before.conditions, after.conditions):
            self.around.post(resource, event)
        return Result("reported")

    async def _report_failure(
        self, key: Key, resource: VaultSecret, failure: Failure
    ) -> Result:
        seen = self.secrets.get(gather.target(resource))
        how = of_failure(resource, failure, seen, self._right.get(key))
        if not self._is_blip(key, how):
            await self._report(key, resource, how)
        return self._failed(key, resource, failure.reason, retry=failure.retry)

    def _is_blip(self, key: Key, how: Outcome) -> bool:
        if not isinstance(how, RefreshFailed) or not how.failure.retry:
            return False
        since = self._attempts.since(key, self.around.clock())
        return not is_outage(self._attempts.count(key) + 1, since)

    def _failed(
        self, key: Key, resource: VaultSecret, name: str, *, retry: bool
    ) -> Result:
        wait = self._attempts.fail(
            key,
            self._basis(resource),
            self.around.clock(),
            self.around.chance(),
            retry=retry,
        )
        return Result(name, wait)

    def _basis(self, resource: VaultSecret) -> Hashable:
        """Return all that an attempt depends on and that we watch."""
        seen = self.secrets.get(gather.target(resource))
        sync = resource.annotations.get(FORCE_SYNC)
        return resource.uid, resource.generation, sync, seen and seen.identity

    def _tell_ignored(self, key: Key, resource: VaultSecret) -> None:
        """Post that a forced sync in a bad form is ignored, once for each value."""
        asked = hash((resource.uid, resource.annotations.get(FORCE_SYNC)))
        if due.ignored_sync_request(resource) and self._ignored.get(key) != asked:
            self._ignored[key] = asked
            self.around.post(resource, events.SYNC_IGNORED)

    def _forget(self, key: Key) -> None:
        self._attempts.clear(key)
        self._right.pop(key, None)
        self._ignored.pop(key, None)


def _wanted(
    keyring: Keyring,
    resource: VaultSecret,
    material: Material,
    current: Current | None,
) -> Desired:
    credential = versions.count(
        keyring, resource, material.values, material.rendering.data, current
    )
    return desired.secret(resource, material.spec, material.kubernetes_type, credential)


def _realisation(material: Material, wanted: Desired, seen: Seen) -> Realisation:
    synced = SyncedSecret(
        name=seen.name,
        uid=seen.uid,
        resource_version=seen.resource_version,
        type=wanted.type,
        layout=material.rendering.layout,
    )
    return Realisation(
        secret=synced,
        version=wanted.version,
        fingerprint=wanted.fingerprint,
        fields=tuple(sorted(material.values)),
        provider=_PROVIDER,
        key_id=material.key_id,
    )
