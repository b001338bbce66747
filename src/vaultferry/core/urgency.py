"""How soon a resource is to be worked on, seen from a watch event as it came."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from vaultferry.core.vaultsecret import FORCE_SYNC


class Lane(IntEnum):
    """Where work waits; a lower number is more urgent."""

    URGENT = 0
    """Somebody waits: it was never synced, or it or its Secret was changed."""

    ROUTINE = 1
    """It can wait a little: a sync that was asked for again, a retry."""

    LAST = 2
    """Most likely nothing is to be done, as for what a listing finds."""


def lane(body: Mapping[str, Any], *, listed: bool) -> Lane:
    """Return the lane for a VaultSecret; runs for each event, so it parses nothing.

    Args:
        body: the resource as the API server has it.
        listed: whether a listing found it, as opposed to a change of it.
    """
    metadata, status = body["metadata"], body.get("status") or {}
    # Also where a failed attempt is retried: that it waits is known before any work.
    if status.get("observedGeneration") != metadata.get("generation", 0):
        return Lane.URGENT
    asked = (metadata.get("annotations") or {}).get(FORCE_SYNC)
    if listed and asked == status.get("lastHandledSync"):
        return Lane.LAST
    return Lane.ROUTINE
