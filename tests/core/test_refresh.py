from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultferry.core import refresh

YEARS = st.floats(1.7e9, 1.9e9)
INTERVALS = st.floats(60.0, 1e6)


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [
        ("1h", 3600.0),
        ("1h30m", 5400.0),
        ("90s", 90.0),
        ("1m", 60.0),
        ("24h", 86400.0),
        ("0s", inf),
        ("0h0m0s", inf),
        ("10s", 60.0),
        (None, 3600.0),
        ("", 3600.0),
        ("soon", 3600.0),
        ("1d", 3600.0),
        ("-1h", 3600.0),
        ("9999999999999h", 3600.0),
    ],
)
def test_an_interval_is_read_in_seconds(interval: str | None, seconds: float) -> None:
    assert refresh.seconds(interval) == seconds


@given(now=YEARS, interval=INTERVALS)
def test_a_place_is_due_within_its_interval(now: float, interval: float) -> None:
    assert 0 < refresh.until("a/b", interval, now) <= interval


@given(now=YEARS, interval=INTERVALS)
def test_a_restart_moves_nothing(now: float, interval: float) -> None:
    wait = refresh.until("a/b", interval, now)
    later = refresh.until("a/b", interval, now + wait / 2)

    assert later == pytest.approx(wait / 2, abs=0.01)


def test_places_are_spread_over_the_interval() -> None:
    waits = [refresh.until(f"place-{n}", 1000.0, 1.8e9) for n in range(1000)]

    assert all(60 < sum(w // 100 == tenth for w in waits) < 140 for tenth in range(10))


def test_what_is_never_refreshed_is_never_due() -> None:
    assert refresh.until("a/b", inf, 1.8e9) == inf


@pytest.mark.parametrize(
    ("interval", "wait"), [(60.0, 300.0), (600.0, 600.0), (1e6, 3600.0), (inf, 3600.0)]
)
def test_what_needs_a_person_is_tried_again_now_and_then(
    interval: float, wait: float
) -> None:
    assert refresh.until_retry(interval) == wait
