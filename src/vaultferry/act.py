"""Makes the Secret of a resource right, by at most one write."""

from dataclasses import dataclass

from vaultferry import gather
from vaultferry.cluster import Cluster
from vaultferry.core import desired, plan, versions
from vaultferry.core.answers import Absent, Body, Stale
from vaultferry.core.desired import Credential
from vaultferry.core.errors import ApiRejected, ApiUnavailable
from vaultferry.core.keyring import Keyring
from vaultferry.core.looked import Looked
from vaultferry.core.report import Realisation
from vaultferry.core.secret import Current, Desired, Seen
from vaultferry.core.vaultsecret import SyncedSecret, VaultSecret
from vaultferry.gather import Material
from vaultferry.views import Secrets

ROUNDS = 3
"""How often a Secret is looked at again that changes while it is being written."""


@dataclass(frozen=True)
class Done:
    """A Secret that is right now."""

    realisation: Realisation
    seen: Seen
    wrote: bool
    """Whether it was not, and had to be written."""


@dataclass(frozen=True)
class Actor:
    """What it takes to write Secrets."""

    cluster: Cluster
    secrets: Secrets
    keyring: Keyring

    async def realise(
        self, resource: VaultSecret, material: Material, looked: Looked
    ) -> Done:
        """Make the Secret right.

        Args:
            resource: the resource.
            material: its values.
            looked: what is in view; after a failure, what that was judged by.

        Raises:
            Failure: it could not be, or must not.
            Superseded: the resource or its Secret is going or changing.
        """
        unchanged = versions.unchanged(self.keyring, resource, material.values)
        current = await gather.current(
            self.cluster, self.secrets, resource, material, unchanged=unchanged
        )
        for _ in range(ROUNDS):
            looked.at(current)
            await gather.check_rival(self.cluster, self.secrets, resource, current)
            wanted = self._wanted(resource, material, current)
            write = plan.write(wanted, current)
            try:
                seen = await self._write(resource, write)
            except (Stale, Absent):
                current = await self._read(resource)
            except ApiRejected:
                if current is None or current.content is not None:
                    raise
                # Written unread; the content may tell why, as being immutable does.
                current = await self._read(resource)
            else:
                wrote = not isinstance(write, plan.Keep)
                return Done(
                    realisation(material, wanted, seen, wanted.type), seen, wrote
                )
        raise ApiUnavailable("the Secret changed while it was being written")

    async def _read(self, resource: VaultSecret) -> Current | None:
        target = gather.target(resource)
        return await gather.read(self.cluster, self.secrets, target)

    async def _write(self, resource: VaultSecret, write: plan.Write) -> Seen:
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
                if resource.status.conditions:
                    # It was looked at before, so it may be gone by now.
                    await gather.check_wanted(self.cluster, resource)
                body = await self._create(namespace, manifest)
        self.secrets.put(body)
        return Seen.parse(body)

    async def _create(self, namespace: str, manifest: Body) -> Body:
        try:
            return await self.cluster.create_secret(namespace, manifest)
        except Absent:
            # The namespace is gone. Tried again, this might meet the next of its name.
            raise gather.Superseded from None

    def _wanted(
        self, resource: VaultSecret, material: Material, current: Current | None
    ) -> Desired:
        values, data = material.values, material.rendering.data
        credential = versions.count(self.keyring, resource, values, data, current)
        return desired.secret(
            resource, material.spec, material.kubernetes_type, credential
        )


def realisation(
    material: Material,
    counted: Desired | Credential,
    seen: Seen,
    kubernetes_type: str,
) -> Realisation:
    """Return what is true now that a Secret is right."""
    synced = SyncedSecret(
        name=seen.name,
        uid=seen.uid,
        resource_version=seen.resource_version,
        type=kubernetes_type,
        layout=material.rendering.layout,
    )
    return Realisation(
        secret=synced,
        version=counted.version,
        fingerprint=counted.fingerprint,
        fields=tuple(sorted(material.values)),
        provider=material.provider,
        key_id=material.key_id,
        expires_at=material.expires_at,
        origin=material.origin,
    )
