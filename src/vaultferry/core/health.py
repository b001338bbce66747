"""What a VaultConnection reports of itself."""

from typing import Literal, NamedTuple

from vaultferry.core.condition import Condition
from vaultferry.core.errors import VaultFailure
from vaultferry.core.vaultconnection import Status, VaultConnection

_VERIFIED = "The vault answers, and takes the token."


class Said(NamedTuple):
    """What a condition says."""

    status: Literal["True", "False"]
    reason: str
    message: str


def is_known(resource: VaultConnection) -> bool:
    """Tell whether the status says of this generation that the vault answers."""
    ready = resource.status.condition("Ready")
    said = ready is not None and ready.status == "True"
    return said and resource.status.observed_generation == resource.generation


def status(
    resource: VaultConnection,
    failure: VaultFailure | None,
    now: str,
    webhook: Said | None = None,
) -> Status:
    """Return the status of a connection; the one that it has, where nothing is new.

    Args:
        resource: the connection.
        failure: why it does not do, if it does not.
        now: the present time, RFC 3339.
        webhook: what becomes of its webhooks; None: it wants none.
    """
    ready = Said("True", "Verified", _VERIFIED)
    if failure:
        ready = Said("False", failure.reason, str(failure))
    said = {"Ready": ready} | ({"Webhook": webhook} if webhook else {})
    conditions = [_condition(resource, kind, each, now) for kind, each in said.items()]
    return Status(conditions=conditions, observed_generation=resource.generation)


def _condition(resource: VaultConnection, kind: str, said: Said, now: str) -> Condition:
    before = resource.status.condition(kind)
    same = before is not None and before.status == said.status
    return Condition(
        type=kind,
        status=said.status,
        reason=said.reason,
        message=said.message,
        last_transition_time=before.last_transition_time if before and same else now,
        observed_generation=resource.generation,
    )
