"""Reads values from a Secret of the same namespace."""

from dataclasses import dataclass

from vaultferry import secrettypes
from vaultferry.cluster import Cluster
from vaultferry.core import source
from vaultferry.core.answers import Absent
from vaultferry.core.errors import SourceMissing
from vaultferry.core.looked import Looked
from vaultferry.core.secret import Content, Seen
from vaultferry.core.source import Source, Viewed
from vaultferry.core.vaultsecret import VaultSecret
from vaultferry.views import Key, Secrets

_NAME = "secret"


@dataclass(frozen=True)
class SecretSource:
    """The Secrets that `spec.secretRef` names."""

    cluster: Cluster
    secrets: Secrets

    def viewed(self, resource: VaultSecret) -> Viewed:
        """Return the Secret of a resource as it is in view."""
        return source.viewed(self.secrets.get(_key(resource)))

    async def read(self, resource: VaultSecret, looked: Looked) -> Source:
        """Return the values as they are now.

        Args:
            resource: the resource.
            looked: what is in view; after a failure, what that was judged by.

        Raises:
            SourceMissing: there is no such Secret.
            SourceNotAllowed: it does not consent, or must not be read.
        """
        where = _key(resource)
        if known := self.secrets.get(where):
            # Without consent the values are not even asked for.
            source.check_consent(known, resource)
        try:
            body = await self.cluster.get_secret(*where)
        except Absent:
            looked.source = None
            raise SourceMissing(
                f"Secret {where.name} does not exist: make it, or name another one in "
                "spec.secretRef"
            ) from None
        self.secrets.put(body)
        if self.secrets.get(where) is None:
            # The watch has told of its end while this answer was on its way.
            looked.source = None
            raise SourceMissing(f"Secret {where.name} was deleted just now")
        seen = Seen.parse(body)
        viewed = source.viewed(seen)
        looked.source = viewed.identity
        source.check_consent(seen, resource)
        spec = resource.spec
        fields = secrettypes.load(spec.type).fields(spec.auth_method)
        names, content = fields.names if fields else None, Content.parse(body)
        return Source(viewed, source.values(seen, content, names), _NAME)


def _key(resource: VaultSecret) -> Key:
    return Key(resource.namespace, str(resource.source_name))
