"""The table of conditions: the one place that decides what a resource reports.

The rules are those of kstatus: Reconciling and Stalled are there only while true,
and `observedGeneration` does not move on a failure that will be retried.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from vaultferry.core.condition import Condition
from vaultferry.core.errors import Failure
from vaultferry.core.outcome import (
    Contended,
    Failed,
    Outcome,
    Progressing,
    Realised,
    RefreshFailed,
    RepairFailed,
    Suspended,
    TakenOver,
    Unchanged,
)

TYPES = ("Ready", "Fresh", "Stored", "Reconciling", "Stalled")
"""The types of conditions, in the order in which they are written."""

_OF_OTHERS = frozenset({"Stored"})
"""What a store has to say; see `stored`. The Secret does not wait for it."""

_SYNCED = "The Secret realises the resource."
_FRESH = "The values are those of the source."
_PROGRESSING = "The values are being fetched and written."
_SUSPENDED = "spec.suspend is set: the changed spec is not realised."
_CONTENDED = "Something else keeps changing the Secret: repaired once a minute."

# A message may list keys, whose length nobody limits; the schema has a limit.
MESSAGE_CHARACTERS = 2_000


class _Say(NamedTuple):
    """What one condition says; `None` as the status keeps the one that is there."""

    status: str | None
    reason: str = ""
    message: str = ""


_KEEP = _Say(None)
_Table = Mapping[str, _Say]


def decide(
    before: Iterable[Condition], outcome: Outcome, generation: int, now: str
) -> list[Condition]:
    """Return the conditions after an attempt.

    Args:
        before: the conditions as last written.
        outcome: how the attempt ended.
        generation: the generation that the attempt was about.
        now: the present time, RFC 3339; used only where a status changes.
    """
    old = {condition.type: condition for condition in before}
    table = (
        dict.fromkeys(old, _KEEP) if isinstance(outcome, Unchanged) else _row(outcome)
    )
    spoken = (
        old.get(kind)
        if kind in _OF_OTHERS
        else _spoken(kind, table[kind], old.get(kind), generation, now)
        for kind in TYPES
        if kind in table or kind in _OF_OTHERS
    )
    return [condition for condition in spoken if condition is not None]


def observed_generation(before: int, outcome: Outcome, generation: int) -> int:
    """Return `status.observedGeneration` after an attempt."""
    match outcome:
        case Progressing():
            return before
        case Failed(failure=failure) | RepairFailed(failure=failure):
            return before if failure.retry else generation
        case _:
            return generation


def _row(outcome: Outcome) -> _Table:
    match outcome:
        case Realised(external=external):
            fresh = {"Fresh": _Say("True", "Synced", _FRESH)} if external else {}
            return {"Ready": _Say("True", "Synced", _SYNCED), **fresh}
        case RefreshFailed(failure=failure):
            return {
                "Ready": _Say("True", "Synced", _SYNCED),
                "Fresh": _failed(failure),
            }
        case Failed(failure=failure, external=external):
            fresh = {"Fresh": _failed(failure)} if external and failure.retry else {}
            return {"Ready": _failed(failure), **fresh, **_by_class(failure)}
        case RepairFailed(failure=failure, source_failed=source_failed):
            fresh = {"Fresh": _failed(failure) if source_failed else _KEEP}
            return {"Ready": _failed(failure), **fresh, **_by_class(failure)}
        case _:
            return _standing(outcome)


def _standing(outcome: Outcome) -> _Table:
    """Return the rows that no error of this attempt explains."""
    match outcome:
        case TakenOver(failure=failure):
            ready, fresh = _failed(failure), {"Fresh": _KEEP}
        case Contended():
            ready, fresh = _Say("False", "Contended", _CONTENDED), {"Fresh": _KEEP}
        case Suspended():
            ready, fresh = _Say("False", "Suspended", _SUSPENDED), {}
        case _:
            ready = _Say("False", "Progressing", _PROGRESSING)
            return {"Ready": ready, "Reconciling": ready._replace(status="True")}
    return {"Ready": ready, **fresh, "Stalled": ready._replace(status="True")}


def _failed(failure: Failure) -> _Say:
    return _Say("False", failure.reason, str(failure))


def _by_class(failure: Failure) -> _Table:
    kind = "Reconciling" if failure.retry else "Stalled"
    return {kind: _Say("True", failure.reason, str(failure))}


def _spoken(
    kind: str, say: _Say, old: Condition | None, generation: int, now: str
) -> Condition | None:
    if say.status is None:
        return old and old.model_copy(update={"observed_generation": generation})
    same = old is not None and old.status == say.status
    if old is not None and same and kind == "Fresh" and say.status == "False":
        # Rewriting the reason at each attempt would be a write per attempt.
        return old.model_copy(update={"observed_generation": generation})
    return Condition(
        type=kind,
        status=say.status,
        reason=say.reason,
        message=say.message[:MESSAGE_CHARACTERS],
        observed_generation=generation,
        last_transition_time=old.last_transition_time if old and same else now,
    )
