import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaultferry.core.backoff import LONGEST, delay, is_outage

CHANCES = st.floats(0, 1)
FAILURES = st.integers(1, 10_000)


@given(FAILURES, CHANCES)
def test_a_delay_is_in_the_upper_half_of_its_longest(
    failures: int, chance: float
) -> None:
    longest = delay(failures, 1.0)

    assert longest / 2 <= delay(failures, chance) <= longest <= LONGEST


@given(FAILURES, CHANCES)
def test_delays_never_get_shorter(failures: int, chance: float) -> None:
    assert delay(failures, chance) <= delay(failures + 1, chance)


@pytest.mark.parametrize(
    ("first", "wait"), [(0.5, 0.5), (1.0, 1.0), (1_000.0, LONGEST)]
)
def test_the_first_delay_can_be_chosen(first: float, wait: float) -> None:
    assert delay(1, 1.0, first) == wait


@pytest.mark.parametrize(
    ("failures", "seconds", "outage"),
    [(1, 0, False), (1, 61, False), (2, 59, False), (2, 60, True), (9, 600, True)],
)
def test_an_outage_is_two_failures_and_a_minute(
    failures: int, seconds: float, *, outage: bool
) -> None:
    assert is_outage(failures, seconds) is outage
