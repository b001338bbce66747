"""Reads the values of a VaultSecret from where they are, if not in itself."""

from vaultferry.cluster import Cluster
from vaultferry.core.looked import Looked
from vaultferry.core.source import Source, Viewed
from vaultferry.core.vaultsecret import VaultSecret
from vaultferry.sourcing.secret import SecretSource
from vaultferry.sourcing.vault import VaultSource, Waiting
from vaultferry.views import Key, Secrets

__all__ = ["Sources", "VaultSource", "Waiting"]


class Sources:
    """Where values are read from."""

    def __init__(self, cluster: Cluster, secrets: Secrets, vaults: VaultSource) -> None:
        self._secret = SecretSource(cluster, secrets)
        self._vaults = vaults

    def viewed(self, resource: VaultSecret) -> Viewed | None:
        """Return what holds the values as it is in view; None: the resource itself."""
        source = self._of(resource)
        return source.viewed(resource) if source else None

    async def read(self, resource: VaultSecret, looked: Looked) -> Source | None:
        """Return the values as they are now; None if they are in the resource itself.

        Args:
            resource: the resource.
            looked: what is in view; after a failure, what that was judged by.

        Raises:
            Failure: they could not be had.
            Waiting: they are being fetched.
        """
        source = self._of(resource)
        return await source.read(resource, looked) if source else None

    def follow(self, resource: VaultSecret) -> None:
        """Have what a resource takes its values from fetched as often as it wants."""
        self._vaults.follow(resource)

    def forget(self, key: Key) -> None:
        """Forget a resource that is gone."""
        self._vaults.forget(key)

    def _of(self, resource: VaultSecret) -> SecretSource | VaultSource | None:
        if resource.source_name is not None:
            return self._secret
        return self._vaults if resource.connection is not None else None
