"""The table of conditions, row by row, from every state that may stand before."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import pytest

from tests.builders import NEEDS_PERSON, NOW, WILL_RETRY, condition
from vaultferry.core.condition import Condition
from vaultferry.core.conditions import decide, observed_generation
from vaultferry.core.errors import Conflict, NeedsPerson
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

Before = Sequence[Condition]
Spoken = dict[str, tuple[str, str]]

TAKEN = Conflict("Secret app exists and is not ours")
RETRIED, STUCK, GONE = "ApiUnavailable", "FieldMissing", "Conflict"
SYNCED = ("True", "Synced")
AS_IT_WAS = ("as it was", "")


class Row(NamedTuple):
    """One row of the table: what stands after the outcome, and whether it counts."""

    outcome: Outcome
    after: Spoken
    observed: bool


def trouble(kind: str, reason: str, **fresh: tuple[str, str]) -> Spoken:
    return {"Ready": ("False", reason), **fresh, kind: ("True", reason)}


RETRYING = trouble("Reconciling", RETRIED)
STALLED = trouble("Stalled", STUCK)
OLD = {"Fresh": AS_IT_WAS}

ROWS = {
    "under way for 10 s": Row(
        Progressing(), trouble("Reconciling", "Progressing"), observed=False
    ),
    "first sync failed, retried": Row(Failed(WILL_RETRY), RETRYING, observed=False),
    "first sync failed, retried, external": Row(
        Failed(WILL_RETRY, external=True),
        RETRYING | {"Fresh": ("False", RETRIED)},
        observed=False,
    ),
    "first sync failed, needs a person": Row(
        Failed(NEEDS_PERSON), STALLED, observed=True
    ),
    "first sync failed, needs a person, external": Row(
        Failed(NEEDS_PERSON, external=True), STALLED, observed=True
    ),
    "realised": Row(Realised(), {"Ready": SYNCED}, observed=True),
    "realised, external": Row(
        Realised(external=True), {"Ready": SYNCED, "Fresh": SYNCED}, observed=True
    ),
    "a refresh failed, retried": Row(
        RefreshFailed(WILL_RETRY),
        {"Ready": SYNCED, "Fresh": ("False", RETRIED)},
        observed=True,
    ),
    "a refresh failed, needs a person": Row(
        RefreshFailed(NEEDS_PERSON),
        {"Ready": SYNCED, "Fresh": ("False", STUCK)},
        observed=True,
    ),
    "a repair failed, retried": Row(
        RepairFailed(WILL_RETRY), RETRYING | OLD, observed=False
    ),
    "a repair failed, needs a person": Row(
        RepairFailed(NEEDS_PERSON), STALLED | OLD, observed=True
    ),
    "a repair failed at the source, retried": Row(
        RepairFailed(WILL_RETRY, source_failed=True),
        RETRYING | {"Fresh": ("False", RETRIED)},
        observed=False,
    ),
    "a repair failed at the source, needs a person": Row(
        RepairFailed(NEEDS_PERSON, source_failed=True),
        STALLED | {"Fresh": ("False", STUCK)},
        observed=True,
    ),
    "taken over": Row(TakenOver(TAKEN), trouble("Stalled", GONE) | OLD, observed=True),
    "contended": Row(Contended(), trouble("Stalled", "Contended") | OLD, observed=True),
    "suspended, spec changed": Row(
        Suspended(), trouble("Stalled", "Suspended"), observed=True
    ),
    "suspended, spec unchanged": Row(
        Unchanged(),
        dict.fromkeys(("Ready", "Fresh", "Reconciling", "Stalled"), AS_IT_WAS),
        observed=True,
    ),
}

READY = condition("Ready", "True")
STATES: dict[str, Before] = {
    "none": [],
    "ready": [READY],
    "fresh": [READY, condition("Fresh", "True")],
    "fresh-false": [READY, condition("Fresh", "False", "AnEarlierReason")],
    "retrying": [
        condition("Ready", "False", RETRIED),
        condition("Reconciling", "True", RETRIED),
    ],
    "stalled": [
        condition("Ready", "False", "AnEarlierReason"),
        condition("Stalled", "True", "AnEarlierReason"),
    ],
    "repair-failed": [
        condition("Ready", "False", RETRIED),
        condition("Fresh", "False", "AnEarlierReason"),
        condition("Reconciling", "True", RETRIED),
    ],
}

CASES = [(ROWS[row], STATES[state]) for row, state in product(ROWS, STATES)]
every = pytest.mark.parametrize(
    ("row", "before"), CASES, ids=[f"{r}, from {s}" for r, s in product(ROWS, STATES)]
)


def spoken(conditions: Before) -> Spoken:
    return {c.type: (c.status, c.reason) for c in conditions}


def expected(row: Row, before: Before) -> Spoken:
    """Resolve `as it was`; the reason of a Fresh that stays False is not rewritten."""
    was, after = spoken(before), dict(row.after)
    for kind, says in row.after.items():
        stays = (kind, says[0], was.get(kind, ("",))[0]) == ("Fresh", "False", "False")
        if says == AS_IT_WAS or stays:
            after |= {kind: was[kind]} if kind in was else {}
    return {k: v for k, v in after.items() if v != AS_IT_WAS}


@every
def test_conditions_are_those_of_the_table(row: Row, before: Before) -> None:
    after = decide(before, row.outcome, 2, NOW)

    assert spoken(after) == expected(row, before)


@every
def test_a_transition_time_moves_only_with_the_status(row: Row, before: Before) -> None:
    was = {(c.type, c.status): c.last_transition_time for c in before}

    after = decide(before, row.outcome, 2, NOW)

    since = {(c.type, c.status): c.last_transition_time for c in after}
    assert since == {said: was.get(said, NOW) for said in since}


@every
def test_each_condition_says_of_which_generation(row: Row, before: Before) -> None:
    after = decide(before, row.outcome, 2, NOW)

    assert {c.observed_generation for c in after} <= {2}


@every
def test_deciding_again_changes_nothing(row: Row, before: Before) -> None:
    once = decide(before, row.outcome, 2, NOW)

    assert decide(once, row.outcome, 2, "2026-01-03T00:00:00Z") == once


@every
def test_what_is_not_true_is_not_there(row: Row, before: Before) -> None:
    after = decide(before, row.outcome, 2, NOW)

    marks = [c for c in after if c.type in {"Reconciling", "Stalled"}]
    assert all(c.status == "True" for c in marks)
    assert len(marks) <= 1


@every
def test_conditions_stand_in_one_order(row: Row, before: Before) -> None:
    after = decide(reversed(before), row.outcome, 2, NOW)

    order = ["Ready", "Fresh", "Reconciling", "Stalled"]
    assert [c.type for c in after] == [k for k in order if k in spoken(after)]


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("before", [-1, 1])
def test_the_observed_generation_moves_as_the_table_says(row: Row, before: int) -> None:
    after = observed_generation(before, row.outcome, 2)

    assert after == (2 if row.observed else before)


def test_ready_again_after_trouble_is_a_transition() -> None:
    after = decide(STATES["stalled"], Realised(), 2, NOW)

    assert [(c.type, c.last_transition_time) for c in after] == [("Ready", NOW)]


def test_a_reason_may_change_without_a_transition() -> None:
    (ready, _) = decide(STATES["stalled"], Failed(NEEDS_PERSON), 2, NOW)

    assert (ready.reason, ready.last_transition_time) == (
        STUCK,
        READY.last_transition_time,
    )


def test_a_message_beyond_the_limit_of_the_schema_is_cut() -> None:
    endless = Failed(NeedsPerson("x" * 40_000))

    conditions = decide([], endless, 2, NOW)

    assert all(0 < len(c.message) <= 32_768 for c in conditions)
