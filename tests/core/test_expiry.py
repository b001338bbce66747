from math import inf

import pytest

from vaultferry.core import expiry
from vaultferry.core.expiry import LATE_SECONDS, LEAD_SECONDS, Expiry, Warned

DAY = 24 * 3600.0
YEAR = Expiry(since=0.0, at=365 * DAY)
HOUR = Expiry(since=0.0, at=3600.0)
OVER = Expiry(since=5_000.0, at=3_600.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", DAY),
        ("1970-01-01T00:01Z", 60.0),
        ("1970-01-01T00:01:02Z", 62.0),
        ("1970-01-01T00:01:02.3456789Z", 62.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
    ],
)
def test_a_time_is_read_in_each_form_that_vendors_write(
    text: str, seconds: float
) -> None:
    assert expiry.seconds(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "never",
        "2026-02-30",
        "2026-01-01T25:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "20260101",
        "2026-W01-1",
        "٢٠٢٦-01-01",
        "0000-01-01",
        "2026-01-01\n",
        "9" * 10_000,
    ],
)
def test_what_is_no_time_is_none(text: object) -> None:
    assert expiry.seconds(text) is None


@pytest.mark.parametrize("text", ["0001-01-01T00:00+23:59", "9999-12-31T23:59-23:59"])
def test_a_time_at_the_edge_of_the_calendar_breaks_nothing(text: str) -> None:
    assert isinstance(expiry.seconds(text), (float, type(None)))


@pytest.mark.parametrize("found", [0, 7, 7.9, 253402300798])
def test_a_number_is_a_time_and_is_written_as_one(found: float) -> None:
    when = expiry.number(found)

    assert when == found
    assert expiry.seconds(expiry.text(when)) == int(found)


@pytest.mark.parametrize(
    "found", [None, True, "7", [], -1, 1e18, 10**400, inf, -inf, float("nan")]
)
def test_what_is_no_number_of_seconds_is_none(found: object) -> None:
    assert expiry.number(found) is None


def test_a_status_tells_since_when_and_until_when() -> None:
    status = {"updatedAt": "1970-01-01T00:01:00Z", "expiresAt": "1970-01-02T00:00:00Z"}

    assert Expiry.of_status(status) == Expiry(since=60.0, at=DAY)


def test_a_status_without_an_end_or_with_garbage_has_none() -> None:
    assert Expiry.of_status({"updatedAt": "1970-01-02T00:00:00Z"}) is None
    assert Expiry.of_status({"expiresAt": "soon"}) is None
    assert Expiry.of_status({"expiresAt": "1970-01-02"}) == Expiry(DAY, DAY)


def test_a_long_life_is_warned_of_a_week_before_its_end() -> None:
    assert YEAR.warn_at == YEAR.at - LEAD_SECONDS


def test_a_short_life_is_warned_of_when_four_fifths_are_over() -> None:
    assert HOUR.warn_at == 0.8 * 3600


def test_what_came_after_its_end_is_warned_of_at_once() -> None:
    assert OVER.warn_at == OVER.since


def test_a_version_is_warned_of_once() -> None:
    warned = Warned()

    assert not warned.is_due("key", YEAR, YEAR.warn_at - 1)
    assert warned.is_due("key", YEAR, YEAR.warn_at)
    assert not warned.is_due("key", YEAR, YEAR.warn_at + 1)
    assert warned.is_due("other", YEAR, YEAR.warn_at)


def test_the_next_version_is_warned_of_again() -> None:
    warned = Warned()
    after = Expiry(since=YEAR.at, at=YEAR.at + DAY)
    warned.is_due("key", YEAR, YEAR.warn_at)

    assert warned.is_due("key", after, after.warn_at)


def test_what_is_gone_and_comes_again_is_warned_of_again() -> None:
    warned = Warned()
    warned.is_due("key", YEAR, YEAR.warn_at)
    warned.forget("key")

    assert warned.is_due("key", YEAR, YEAR.warn_at)


def test_who_starts_long_after_the_moment_does_not_warn() -> None:
    assert Warned().is_due("key", YEAR, YEAR.warn_at + LATE_SECONDS - 1)
    assert not Warned().is_due("key", YEAR, YEAR.warn_at + LATE_SECONDS)


def test_the_clock_is_looked_at_once_a_day_until_the_warning() -> None:
    assert expiry.wait(YEAR, 0.0) == DAY
    assert expiry.wait(YEAR, YEAR.warn_at - 5) == 5
    assert expiry.wait(YEAR, YEAR.warn_at) == inf
