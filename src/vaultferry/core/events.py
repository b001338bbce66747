"""What is worth an event: entering trouble, and leaving it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vaultferry.core.condition import Condition
from vaultferry.core.vaultsecret import FORCE_SYNC, Status


@dataclass(frozen=True)
class Event:
    """A fact for `kubectl describe`; reason and message hold no value."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


SYNC_IGNORED = Event(
    "Warning",
    "SyncRequestIgnored",
    f"{FORCE_SYNC} is ignored: use at most 64 letters, digits and : . _ + -",
)


def expires(status: Status) -> Event:
    """Return the warning that a credential expires soon, or did."""
    return Event(
        "Warning",
        "ExpiresSoon",
        f"Version {status.version} of the credential expires at {status.expires_at}: "
        "seal a new one.",
    )


def transitions(before: Iterable[Condition], after: Iterable[Condition]) -> list[Event]:
    """Return the events between two lists of conditions.

    A first sync and an ordinary change have none: they cost no call.
    """
    old, new = _troubles(before), _troubles(after)
    entered = [
        Event("Warning", condition.reason, condition.message)
        for kind, condition in new.items()
        if kind not in old or old[kind].reason != condition.reason
    ]
    if old and not new:
        reason = next(iter(old.values())).reason
        return [Event("Normal", "Recovered", f"No longer {reason}.")]
    return entered


def _troubles(conditions: Iterable[Condition]) -> dict[str, Condition]:
    by_type = {condition.type: condition for condition in conditions}
    wanted = {"Stalled": "True", "Fresh": "False", "Stored": "False"}
    return {
        kind: by_type[kind]
        for kind, status in wanted.items()
        if kind in by_type and by_type[kind].status == status
    }
