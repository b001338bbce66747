"""What a resource needs, seen without reading its Secret."""

from enum import Enum, auto

from vaultferry.core import requests
from vaultferry.core.secret import Seen
from vaultferry.core.vaultsecret import VaultSecret


class Need(Enum):
    """What to do for a resource."""

    NOTHING = auto()
    """It is as it ought to be, or not ours to touch."""

    RECOGNISE = auto()
    """The generation moved, nothing else: say so in the status."""

    SUSPEND = auto()
    """It is suspended, and its spec is not the one realised: say so."""

    COMPARE = auto()
    """The Secret moved, or the one that holds the values: read, write what differs."""

    REALISE = auto()
    """The spec is not realised yet, or was asked for again."""


def needed(
    resource: VaultSecret,
    seen: Seen | None,
    layout: int,
    right: object = None,
    *,
    source_moved: bool = False,
) -> Need:
    """Return what a resource needs.

    Args:
        resource: the resource as last seen.
        seen: its Secret as last seen; None if absent or not kept.
        layout: the number of the layout that the code gives its formats.
        right: the `Seen.identity` that was read and found right, if any.
        source_moved: whether what holds the values is not as it was read.
    """
    if resource.deleting:
        return Need.NOTHING
    if resource.suspended:
        as_realised = resource.status.realised_spec == resource.spec_digest
        return _recognised(resource) if as_realised else Need.SUSPEND
    if requests.pending(resource) or not resource.realised or is_stale(resource):
        return Need.REALISE
    if source_moved or _is_elsewhere(resource, seen, right):
        return Need.COMPARE
    synced = resource.status.synced_secret
    if synced is None or synced.layout != layout:
        return Need.REALISE
    return _recognised(resource)


def is_synced(resource: VaultSecret, seen: Seen | None) -> bool:
    """Tell whether the Secret is the very version that the status speaks of."""
    synced = resource.status.synced_secret
    if synced is None or seen is None:
        return False
    return seen.identity == (synced.uid, synced.resource_version)


def is_stale(resource: VaultSecret) -> bool:
    """Tell whether newer values could not be had; the attempts say when to try."""
    fresh = resource.status.condition("Fresh")
    return fresh is not None and fresh.status == "False"


def _is_elsewhere(resource: VaultSecret, seen: Seen | None, right: object) -> bool:
    """Tell whether the Secret is gone, or a version that nobody has looked at."""
    return not is_synced(resource, seen) and (seen is None or seen.identity != right)


def _recognised(resource: VaultSecret) -> Need:
    moved = resource.status.observed_generation != resource.generation
    return Need.RECOGNISE if moved else Need.NOTHING
