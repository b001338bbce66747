"""The lease: whose turn it is to lead, by our own clock only.

Clocks of machines differ, so a time that another one wrote is never compared with
ours, only with what stood there before. A holder gives up `GIVE_UP_SECONDS` after it
sent what was last accepted; others wait `LEASE_SECONDS` after they first saw it. As
it was sent before it could be seen, the two never overlap, whatever the delays.

Only who deletes the lease can break that, for a replica that has not seen it, or that
misses that it was there between two deletions: a lease that is not there can be had
by whoever comes first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

LEASE_SECONDS = 15
GIVE_UP_SECONDS = 10.0
RENEW_SECONDS = 3.5
POLL_SECONDS = 2.0
RETRY_SECONDS = 0.5

_RELEASED_SECONDS = 1
# Whoever held a lease that was deleted. No identity has a blank.
_UNKNOWN = "nobody knows"


@dataclass(frozen=True)
class Record:
    """What the lease says; it is another one as soon as anything in it differs."""

    holder: str
    renewed: str
    transitions: int
    seconds: int

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Record":
        """Read a Lease, which may lack every field."""
        spec = body.get("spec") or {}
        return cls(
            holder=spec.get("holderIdentity") or "",
            renewed=spec.get("renewTime") or "",
            transitions=spec.get("leaseTransitions") or 0,
            seconds=spec.get("leaseDurationSeconds") or 0,
        )


@dataclass(frozen=True)
class Outlook:
    """What one replica knows of the lease; times are seconds of its own clock."""

    identity: str
    """Whom the lease is to name."""

    record: Record | None = None
    """The lease as last seen; None before there was one."""

    since: float = 0.0
    """When that record was first seen."""

    renewed: float | None = None
    """When we sent what was last accepted; None unless we lead."""

    tried: float = float("-inf")
    """When we last tried to renew, and failed."""

    def saw(self, record: Record | None, now: float) -> "Outlook":
        """Take in what was read.

        A lease that somebody deleted may still be held, and may have been renewed
        since we last looked: its holder is waited for anew.
        """
        if record is None:
            record = self._deleted()
        if record == self.record:
            return self
        return replace(self, record=record, since=now)

    def _deleted(self) -> Record | None:
        """Return the record that stands for a lease that was there and is not."""
        if self.record is None or self.renewed is not None:
            return self.record
        # Even where it named us when we last looked: others may have taken it since.
        return replace(self.record, holder=_UNKNOWN, renewed="")

    def wrote(self, record: Record, sent: float) -> "Outlook":
        """Take in that our own record, sent at that time, was accepted."""
        return replace(self, record=record, since=sent, renewed=sent)

    def stood_down(self) -> "Outlook":
        """Take in that we lead no more: from now on we wait, as others do."""
        return replace(self, renewed=None, tried=float("-inf"))

    def failed(self, now: float) -> "Outlook":
        """Take in that reading or writing failed."""
        return replace(self, tried=now)

    @property
    def is_ours(self) -> bool:
        """Whether the lease names us."""
        return self.record is not None and self.record.holder == self.identity

    @property
    def is_waiting(self) -> bool:
        """Whether somebody else holds the lease, or did."""
        held = self.record is not None and self.record.holder != ""
        return held and not self.is_ours and self.renewed is None

    def leads(self, now: float) -> bool:
        """Tell whether we may act as the holder."""
        return self.is_ours and self.remaining(now) > 0

    def remaining(self, now: float) -> float:
        """Return the seconds until we have to give up, unless we renew."""
        return 0.0 if self.renewed is None else self.renewed + GIVE_UP_SECONDS - now


class Act(Enum):
    """What to do now."""

    ACQUIRE = auto()
    """Take the lease: nobody holds it, or no longer."""

    RENEW = auto()
    """Say that we still hold it."""

    LOSE = auto()
    """Stop leading at once: somebody else does, or soon may."""


@dataclass(frozen=True)
class Wait:
    """Look again after this long."""

    seconds: float


def step(outlook: Outlook, now: float, chance: float) -> Act | Wait:
    """Return what to do.

    Args:
        outlook: what is known of the lease.
        now: seconds of the clock that the outlook is in.
        chance: a random number from 0 to 1; it spreads what replicas do.
    """
    if outlook.renewed is None:
        return _waiting(outlook, now, chance)
    if not outlook.leads(now):
        return Act.LOSE
    spread = _spread(chance)
    due = max(
        outlook.renewed + RENEW_SECONDS * spread, outlook.tried + RETRY_SECONDS * spread
    )
    if now >= due:
        return Act.RENEW
    return Wait(min(due - now, outlook.remaining(now)))


def _waiting(outlook: Outlook, now: float, chance: float) -> Act | Wait:
    if outlook.record is None or not outlook.is_waiting:
        return Act.ACQUIRE
    # A shorter time than ours is not believed: a holder renews in the rhythm of ours.
    expires = outlook.since + max(LEASE_SECONDS, outlook.record.seconds)
    if now >= expires:
        return Act.ACQUIRE
    return Wait(min(poll(chance), expires - now))


def poll(chance: float) -> float:
    """Return the seconds between two looks at a lease of somebody else."""
    return POLL_SECONDS * _spread(chance)


def _spread(chance: float) -> float:
    return 0.9 + 0.1 * chance


def claimed(spec: Mapping[str, Any], identity: str, wall_clock: str) -> dict[str, Any]:
    """Return the spec that says that we hold the lease.

    Args:
        spec: as it is now; empty if there is none. Fields of others stay.
        identity: whom it is to name.
        wall_clock: for people, and so that the record differs from the one before.
    """
    claim = {
        **spec,
        "leaseDurationSeconds": LEASE_SECONDS,
        "renewTime": wall_clock,
    }
    if spec.get("holderIdentity") == identity:
        return claim
    moved = {"leaseTransitions": (spec.get("leaseTransitions") or 0) + 1}
    return {
        **claim,
        "holderIdentity": identity,
        "acquireTime": wall_clock,
        **(moved if spec else {"leaseTransitions": 0}),
    }


def released(spec: Mapping[str, Any], wall_clock: str) -> dict[str, Any]:
    """Return the spec that says that nobody holds the lease any more."""
    return {
        **spec,
        "holderIdentity": "",
        "leaseDurationSeconds": _RELEASED_SECONDS,
        "renewTime": wall_clock,
    }
