"""A Secret as the source of values: whether it may be read, and what it holds."""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass

from vaultferry.core import consent, merge
from vaultferry.core.errors import FieldMissing, SourceNotAllowed
from vaultferry.core.secret import OWNER, REFUSED_TYPES, Content, Seen
from vaultferry.core.vaultsecret import SecretVersion, SyncedFrom, VaultSecret


@dataclass(frozen=True)
class Viewed:
    """What holds the values of a resource, as it is in view."""

    identity: Hashable = None
    """Another one where the values may be others; None: it is not there."""

    origin: SyncedFrom | None = None
    """What a status says of it."""

    is_whole: bool = True
    """Whether that tells all there is to know: where it stands, nothing has moved."""


@dataclass(frozen=True, repr=False)
class Source:
    """The values of a resource, as they were read; without a `repr`."""

    viewed: Viewed
    values: Mapping[str, bytes]
    provider: str


def has_moved(resource: VaultSecret, viewed: Viewed | None, read: object) -> bool:
    """Tell whether the values may be others than those that are realised.

    Args:
        resource: the resource as last seen.
        viewed: what holds its values; None: the resource itself.
        read: the `Viewed.identity` that was read since and changed nothing.
    """
    if viewed is None:
        return False
    synced = resource.status.synced_from
    told = viewed.is_whole and viewed.origin and viewed.origin == synced
    return not told and (viewed.identity is None or viewed.identity != read)


def viewed(seen: Seen | None) -> Viewed:
    """Return a Secret as what holds values."""
    if seen is None:
        return Viewed()
    read = SecretVersion(uid=seen.uid, resource_version=seen.resource_version)
    return Viewed(seen.identity, SyncedFrom(source_secret=read))


def is_relevant(seen: Seen) -> bool:
    """Tell whether a Secret consents to anything, so that something may read it."""
    return consent.ALLOW in seen.annotations


def check_consent(seen: Seen, resource: VaultSecret) -> None:
    """Check that the values of a Secret may be read, as far as its metadata tell.

    One that VaultSecrets make or merge into is refused: a chain of them could be a
    circle.

    Raises:
        SourceNotAllowed: they may not.
    """
    if not consent.allows(seen.annotations, "read", resource.name):
        raise SourceNotAllowed(
            f"Secret {seen.name} is not to be read for this VaultSecret: annotate it "
            f"with {consent.ALLOW}: read={resource.name}"
        )
    owner = seen.annotations.get(OWNER, "")
    if owner.startswith(f"{seen.namespace}/") or merge.marks(seen):
        raise SourceNotAllowed(
            f"Secret {seen.name} has keys of a VaultSecret: name a Secret in "
            "spec.secretRef that no VaultSecret writes to"
        )


def values(
    seen: Seen, content: Content, known: Collection[str] | None
) -> Mapping[str, bytes]:
    """Return the values that a Secret holds for a credential.

    Args:
        seen: its metadata.
        content: its content.
        known: the fields of the credential, other keys are left; None: all keys.

    Raises:
        FieldMissing: it holds none.
        SourceNotAllowed: it is of a type whose values are not for us.
    """
    if content.type in REFUSED_TYPES:
        raise SourceNotAllowed(
            f"Secret {seen.name} has type {content.type}, which is never read"
        )
    found = {k: v for k, v in content.data.items() if known is None or k in known}
    if not found:
        raise FieldMissing(f"Secret {seen.name} has no key that is a field of the type")
    return found
