"""A Secret as the source of values: whether it may be read, and what it holds."""

from collections.abc import Collection, Mapping

from vaultferry.core import consent, merge
from vaultferry.core.errors import FieldMissing, SourceNotAllowed
from vaultferry.core.secret import OWNER, REFUSED_TYPES, Content, Seen
from vaultferry.core.vaultsecret import SecretVersion, VaultSecret


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


def version(seen: Seen) -> SecretVersion:
    """Return what a status says of a source that was read."""
    return SecretVersion(uid=seen.uid, resource_version=seen.resource_version)


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
