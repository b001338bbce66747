"""Who may use a connection, and for what."""

from collections.abc import Mapping

from vaultferry.core import globs
from vaultferry.core.consent import fits
from vaultferry.core.selector import selects
from vaultferry.core.vaultconnection import Access, VaultConnection


def lets(
    connection: VaultConnection, namespace: str, labels: Mapping[str, str] | None
) -> bool | None:
    """Tell whether VaultSecrets of a namespace may use a connection.

    Args:
        connection: the connection.
        namespace: the namespace.
        labels: of the namespace; None: they are not known, so that there may be no
            answer (None).
    """
    if namespace == connection.namespace:
        return True
    access = connection.spec.access
    if any(fits(glob, namespace) for glob in access.namespaces):
        return True
    if access.namespace_selector is None:
        return False
    return None if labels is None else selects(access.namespace_selector, labels)


def covers(access: Access, canonical: str, *, caseless: bool = False) -> bool:
    """Tell whether a reference may be read.

    Args:
        access: what may be.
        canonical: the reference in its canonical form; where that is empty or ends
            with `/`, it is how such a form begins, and any that does will do.
        caseless: whether small and capital letters are the same.
    """
    is_whole = canonical and not canonical.endswith("/")
    fits = globs.matches if is_whole else globs.may_begin
    text = canonical.casefold() if caseless else canonical
    folded = (glob.casefold() if caseless else glob for glob in access.keys)
    return any(fits(glob, text) for glob in folded)
