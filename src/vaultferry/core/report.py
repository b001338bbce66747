"""From an outcome to the status."""

from dataclasses import dataclass
from typing import Any

from vaultferry.core import conditions, requests
from vaultferry.core.outcome import (
    Contended,
    Outcome,
    Progressing,
    Suspended,
    Unchanged,
)
from vaultferry.core.vaultsecret import (
    Status,
    SyncedFrom,
    SyncedSecret,
    VaultSecret,
)

_MAX_FIELDS = 100

# What these say is said without an attempt, where nothing was made right with them.
_UNTRIED = (Contended, Progressing, Suspended, Unchanged)


@dataclass(frozen=True)
class Realisation:
    """What is true of a Secret that realises its resource."""

    secret: SyncedSecret
    version: int
    fingerprint: str
    fields: tuple[str, ...]
    provider: str
    key_id: str | None
    expires_at: str | None
    origin: SyncedFrom | None = None
    """What the values were read from, where that was not the resource itself."""


def status(
    resource: VaultSecret,
    outcome: Outcome,
    realisation: Realisation | None,
    now: str,
) -> Status:
    """Return the status after an attempt.

    Args:
        resource: the resource with its status as last written.
        outcome: how the attempt ended.
        realisation: what is true of the Secret, where it is right.
        now: the present time, RFC 3339.
    """
    before = resource.status
    changes: dict[str, Any] = {
        "conditions": conditions.decide(
            before.conditions, outcome, resource.generation, now
        ),
        "observed_generation": conditions.observed_generation(
            before.observed_generation, outcome, resource.generation
        ),
    }
    if realisation is not None or not isinstance(outcome, _UNTRIED):
        changes |= _handled(resource)
    if realisation is not None:
        changes |= _realised(resource, realisation, now)
    return before.model_copy(update=changes)


def _handled(resource: VaultSecret) -> dict[str, Any]:
    pending, before = requests.pending(resource), resource.status
    return {
        "last_handled_sync": pending.sync or before.last_handled_sync,
        "last_handled_request_id": (
            pending.request_id or before.last_handled_request_id
        ),
    }


def _realised(
    resource: VaultSecret, realisation: Realisation, now: str
) -> dict[str, Any]:
    before = resource.status
    return {
        "version": realisation.version,
        "created_at": before.created_at or now,
        "updated_at": (
            before.updated_at if before.version == realisation.version else now
        ),
        "synced_secret": realisation.secret,
        "synced_from": realisation.origin,
        "realised_spec": resource.spec_digest,
        "fields": list(realisation.fields[:_MAX_FIELDS]),
        "field_count": len(realisation.fields),
        "provider": realisation.provider,
        "fingerprint": realisation.fingerprint,
        "key_id": realisation.key_id,
        "expires_at": realisation.expires_at,
    }
