"""What a VaultConnection reports of itself."""

from typing import Any

from vaultferry.core.condition import Condition
from vaultferry.core.errors import VaultFailure
from vaultferry.core.vaultconnection import Status, VaultConnection

_VERIFIED = "The vault answers, and takes the token."


def is_known(resource: VaultConnection) -> bool:
    """Tell whether the status says of this generation that the vault answers."""
    ready = resource.status.condition("Ready")
    said = ready is not None and ready.status == "True"
    return said and resource.status.observed_generation == resource.generation


def status(resource: VaultConnection, failure: VaultFailure | None, now: str) -> Status:
    """Return the status of a connection; the one that it has, where nothing is new.

    Args:
        resource: the connection.
        failure: why it does not do, if it does not.
        now: the present time, RFC 3339.
    """
    said = "False" if failure else "True"
    reason = failure.reason if failure else "Verified"
    before = resource.status.condition("Ready")
    same = before is not None and before.status == said
    ready = Condition(
        type="Ready",
        status=said,
        reason=reason,
        message=str(failure) if failure else _VERIFIED,
        last_transition_time=before.last_transition_time if before and same else now,
        observed_generation=resource.generation,
    )
    return Status(conditions=[ready], observed_generation=resource.generation)


def patch(resource: VaultConnection, after: Status) -> dict[str, Any]:
    """Return the merge patch to a status; empty if nothing differs."""
    return {} if after == resource.status else after.dumped()
