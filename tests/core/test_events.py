import pytest

from tests.builders import condition
from vaultferry.core.condition import Condition
from vaultferry.core.events import Event, expires, transitions
from vaultferry.core.vaultsecret import Status

READY = condition("Ready", "True")
FRESH = condition("Fresh", "True")
STALE = condition("Fresh", "False", "ApiUnavailable")
NOT_READY = condition("Ready", "False", "Conflict")
STALLED = condition("Stalled", "True", "Conflict")
RETRYING = condition("Reconciling", "True", "ApiUnavailable")

QUIET = {
    "a first sync": ([], [READY]),
    "an ordinary change": ([READY, FRESH], [READY, FRESH]),
    "a retry": ([], [condition("Ready", "False", "ApiUnavailable"), RETRYING]),
    "trouble that stays": ([NOT_READY, STALLED], [NOT_READY, STALLED]),
    "one of two troubles left": ([STALLED, STALE], [READY, STALE]),
}


@pytest.mark.parametrize(("before", "after"), QUIET.values(), ids=QUIET)
def test_what_is_ordinary_has_no_event(
    before: list[Condition], after: list[Condition]
) -> None:
    assert transitions(before, after) == []


ENTERED = {
    "stalled": ([], [NOT_READY, STALLED], ["Conflict"]),
    "not fresh": ([READY, FRESH], [READY, STALE], ["ApiUnavailable"]),
    "both": ([READY], [STALE, STALLED], ["Conflict", "ApiUnavailable"]),
    "for another reason": (
        [STALLED],
        [condition("Stalled", "True", "TooLarge")],
        ["TooLarge"],
    ),
}


@pytest.mark.parametrize(("before", "after", "reasons"), ENTERED.values(), ids=ENTERED)
def test_entering_trouble_has_an_event(
    before: list[Condition], after: list[Condition], reasons: list[str]
) -> None:
    events = transitions(before, after)

    assert events == [Event("Warning", reason, "Why.") for reason in reasons]


@pytest.mark.parametrize("trouble", [STALLED, STALE], ids=["stalled", "not fresh"])
def test_leaving_trouble_has_an_event(trouble: Condition) -> None:
    (event,) = transitions([trouble], [READY])

    assert event == Event("Normal", "Recovered", f"No longer {trouble.reason}.")


def test_the_warning_of_an_end_says_which_version_and_when() -> None:
    status = Status(version=3, expires_at="2026-01-02T00:00:00Z")

    event = expires(status)

    assert (event.type, event.reason) == ("Warning", "ExpiresSoon")
    assert event.message == (
        "Version 3 of the credential expires at 2026-01-02T00:00:00Z: seal a new one."
    )
