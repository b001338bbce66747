"""Reads the Secret that a VaultSecret takes its values from."""

from collections.abc import Mapping
from dataclasses import dataclass

from vaultferry import secrettypes
from vaultferry.cluster import Cluster
from vaultferry.core import source
from vaultferry.core.answers import Absent
from vaultferry.core.errors import SourceMissing
from vaultferry.core.looked import Looked
from vaultferry.core.secret import Content, Seen
from vaultferry.core.vaultsecret import VaultSecret
from vaultferry.views import Key, Secrets


@dataclass(frozen=True, repr=False)
class Source:
    """A Secret with the values of a credential; without a `repr`, it holds values."""

    seen: Seen
    values: Mapping[str, bytes]


def key(resource: VaultSecret) -> Key | None:
    """Return the key of the Secret that holds the values, where one does."""
    name = resource.source_name
    return None if name is None else Key(resource.namespace, name)


async def read(
    cluster: Cluster, secrets: Secrets, resource: VaultSecret, looked: Looked
) -> Source | None:
    """Return the source as the API server has it now; None if it is the spec itself.

    Args:
        cluster: the API server.
        secrets: what the watch has told.
        resource: the resource.
        looked: what is in view; after a failure, what that was judged by.

    Raises:
        SourceMissing: there is no such Secret.
        SourceNotAllowed: it does not consent, or must not be read.
    """
    where = key(resource)
    if where is None:
        return None
    if known := secrets.get(where):
        # Without consent the values are not even asked for.
        source.check_consent(known, resource)
    try:
        body = await cluster.get_secret(*where)
    except Absent:
        looked.source = None
        raise SourceMissing(
            f"Secret {where.name} does not exist: make it, or name another one in "
            "spec.secretRef"
        ) from None
    secrets.put(body)
    if secrets.get(where) is None:
        # The watch has told of its end while this answer was on its way.
        looked.source = None
        raise SourceMissing(f"Secret {where.name} was deleted just now")
    looked.source = seen = Seen.parse(body)
    source.check_consent(seen, resource)
    spec = resource.spec
    fields = secrettypes.load(spec.type).fields(spec.auth_method)
    names, content = fields.names if fields else None, Content.parse(body)
    return Source(seen, source.values(seen, content, names))
