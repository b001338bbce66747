"""Puts our keys into a Secret of somebody else, and takes them out again."""

import asyncio
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from vaultferry import gather
from vaultferry.act import ROUNDS, Done, realisation
from vaultferry.cluster import Cluster
from vaultferry.core import merge, plan, versions
from vaultferry.core.answers import Absent, Stale
from vaultferry.core.errors import ApiUnavailable, TargetMissing
from vaultferry.core.keyring import Keyring
from vaultferry.core.looked import Looked
from vaultferry.core.merge import Found
from vaultferry.core.secret import Seen
from vaultferry.core.vaultsecret import VaultSecret
from vaultferry.gather import Material
from vaultferry.views import Key, Secrets


def left_behind(secrets: Secrets, key: Key, resource: VaultSecret | None) -> list[Seen]:
    """Return the Secrets with a record of a VaultSecret that does not merge there."""
    return [
        seen
        for seen in secrets.recorded(key)
        if not seen.deleting and not _merges(resource, seen)
    ]


@dataclass(frozen=True)
class Merger:
    """What it takes to merge into Secrets. Those of one Secret take turns.

    The queue gives out one of them at a time. Where one also cleans another Secret, and
    where what the queue went by has changed meanwhile, the locks see to it.
    """

    cluster: Cluster
    secrets: Secrets
    keyring: Keyring
    _turns: WeakValueDictionary[Key, asyncio.Lock] = field(
        default_factory=WeakValueDictionary
    )

    async def realise(
        self, resource: VaultSecret, material: Material, looked: Looked
    ) -> Done:
        """Make our keys in the Secret right, by at most one write.

        Args:
            resource: the resource.
            material: its values.
            looked: what is in view; after a failure, what that was judged by.

        Raises:
            Failure: they could not be made so, or must not.
            Superseded: the resource or the Secret is going or changing.
        """
        target = gather.target(resource)
        if seen := self.secrets.get(target):
            # Without consent the values of the others are not even read.
            merge.check_consent(seen, resource)
        async with self._turn(target):
            for _ in range(ROUNDS):
                try:
                    return await self._once(resource, material, looked)
                except (Stale, Absent):
                    continue
        raise ApiUnavailable("the Secret changed while it was being written")

    async def clean(self, key: Key, seen: Seen) -> None:
        """Take out of a Secret what a VaultSecret that is not there has left.

        Raises:
            Stale: the Secret is not as it was seen.
            Absent: the Secret is gone, or the API server knows no VaultSecrets.
        """
        where = Key(seen.namespace, seen.name)
        async with self._turn(where):
            if _merges(await gather.live(self.cluster, key), seen):
                return
            owner = str(key)
            body = await self.cluster.apply_secret(
                *where, merge.manager(owner), merge.nothing(seen)
            )
            rest = Seen.parse(body)
            if merge.mark(owner) in rest.annotations:
                # Somebody else has set the very same, so it stays for them.
                operations = merge.unrecorded(rest, owner)
                await self.cluster.patch_secret(*where, operations)
            # The view learns of it by the watch, which tells the others as well.

    async def _once(
        self, resource: VaultSecret, material: Material, looked: Looked
    ) -> Done:
        found = await self._read(resource, looked)
        credential = versions.count(
            self.keyring,
            resource,
            material.values,
            material.rendering.data,
            found.own_part(resource),
        )
        write = merge.write(resource, credential, found)
        seen = found.seen
        if isinstance(write, merge.Apply):
            body = await self.cluster.apply_secret(
                seen.namespace,
                seen.name,
                merge.manager(resource.owner),
                write.manifest,
            )
            self.secrets.put(body)
            seen = Seen.parse(body)
        done = realisation(material, credential, seen, found.content.type)
        return Done(done, seen, not isinstance(write, plan.Keep))

    async def _read(self, resource: VaultSecret, looked: Looked) -> Found:
        """Return the Secret, read from the API server now."""
        target = gather.target(resource)
        try:
            body = await self.cluster.get_secret(*target)
        except Absent:
            await self._check_wanted(resource)
            raise TargetMissing(
                f"Secret {target.name} does not exist, and creationPolicy Merge makes "
                "none: create it with the annotation vaultferry.dev/allow: merge"
            ) from None
        self.secrets.put(body)
        found = Found.parse(body, merge.manager(resource.owner))
        gather.check_stays(found.seen)
        looked.seen = found.seen
        return found

    async def _check_wanted(self, resource: VaultSecret) -> None:
        """Where a namespace is being deleted, the Secret often goes first."""
        if resource.status.synced_secret is not None:
            await gather.check_wanted(self.cluster, resource)

    def _turn(self, secret: Key) -> asyncio.Lock:
        return self._turns.setdefault(secret, asyncio.Lock())


def _merges(resource: VaultSecret | None, seen: Seen) -> bool:
    if resource is None or not merge.is_merging(resource):
        return False
    return gather.target(resource) == Key(seen.namespace, seen.name)
