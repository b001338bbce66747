"""Counts the changes of a credential, across restarts, restores and key rotation."""

from collections.abc import Mapping

from vaultferry.core.desired import Credential
from vaultferry.core.keyring import Keyring
from vaultferry.core.secret import Current
from vaultferry.core.vaultsecret import VaultSecret

Values = Mapping[str, bytes]


def count(
    keyring: Keyring,
    resource: VaultSecret,
    values: Values,
    data: Values,
    current: Current | None,
) -> Credential:
    """Return the rendered data with the version that it is.

    The Secret's own version counts when it holds these values and the status has
    none or exactly one less: after a crash between the two writes, and after a
    restore without status. Otherwise the status counts.
    """
    fingerprint = keyring.fingerprint(values, resource.namespace, resource.name)
    if (kept := _kept_version(keyring, resource, values, data, current)) is not None:
        return Credential(data, kept, fingerprint)
    last = resource.status.version
    if last is None:
        return Credential(data, 1, fingerprint)
    same = _same(keyring, resource, values, resource.status.fingerprint)
    if same is None:
        same = _holds(current, data)
    return Credential(data, last if same else last + 1, fingerprint)


def unchanged(keyring: Keyring, resource: VaultSecret, values: Values) -> bool | None:
    """Tell whether values are those that the status speaks of; None if nobody can.

    Where the key that made the last fingerprint is gone, only the data of the Secret
    tells whether a value changed.
    """
    return _same(keyring, resource, values, resource.status.fingerprint)


def _kept_version(
    keyring: Keyring,
    resource: VaultSecret,
    values: Values,
    data: Values,
    current: Current | None,
) -> int | None:
    if current is None or current.seen.version is None:
        return None
    kept = current.seen.version
    if resource.status.version not in {None, kept - 1}:
        return None
    holds = _same(keyring, resource, values, current.seen.fingerprint)
    if holds is None:
        # Rotation leaves the fingerprint of a key that is then taken away.
        holds = _holds(current, data)
    return kept if holds else None


def _same(
    keyring: Keyring, resource: VaultSecret, values: Values, fingerprint: str | None
) -> bool | None:
    """Compare under the key that made the fingerprint; None if that key is gone."""
    if fingerprint is None:
        return None
    again = keyring.fingerprint_as(
        fingerprint, values, resource.namespace, resource.name
    )
    return None if again is None else again == fingerprint


def _holds(current: Current | None, data: Values) -> bool:
    content = current.content if current else None
    return content is not None and content.data == data
