"""Who may use a connection, and for what."""

from vaultferry.core import globs
from vaultferry.core.consent import fits
from vaultferry.core.vaultconnection import Access, VaultConnection


def lets(connection: VaultConnection, namespace: str) -> bool:
    """Tell whether VaultSecrets of a namespace may use a connection."""
    if namespace == connection.namespace:
        return True
    named = connection.spec.access.namespaces
    return any(fits(glob, namespace) for glob in named)


def covers(access: Access, canonical: str) -> bool:
    """Tell whether a reference, in its canonical form, may be read."""
    return any(globs.matches(glob, canonical) for glob in access.keys)
