from math import inf

import pytest

from vaultferry.core.attempts import Attempts

KEY, BASIS = "key", ("uid", 1)


def failed(times: int, *, basis: object = BASIS) -> Attempts:
    """Return attempts that failed so often, all at 100 s and with the longest wait."""
    attempts = Attempts()
    for _ in range(times):
        attempts.fail(KEY, basis, 100.0, 1.0, retry=True)
    return attempts


def test_what_never_failed_may_be_tried() -> None:
    attempts = Attempts()

    assert attempts.wait(KEY, BASIS, 0.0) == 0.0
    assert attempts.count(KEY) == 0
    assert attempts.since(KEY, 5.0) == 0.0


@pytest.mark.parametrize(("times", "wait"), [(1, 1.0), (2, 2.0), (3, 4.0), (20, 300.0)])
def test_waits_double_up_to_a_limit(times: int, wait: float) -> None:
    attempts = failed(times)

    assert attempts.count(KEY) == times
    assert attempts.wait(KEY, BASIS, 100.0) == wait
    assert attempts.wait(KEY, BASIS, 100.0 + wait) == 0.0
    assert attempts.wait(KEY, BASIS, 1_000.0) == 0.0


def test_another_basis_is_tried_at_once_and_counted_anew() -> None:
    attempts = failed(5)

    assert attempts.wait(KEY, "another", 100.0) == 0.0
    assert attempts.fail(KEY, "another", 101.0, 1.0, retry=True) == 1.0
    assert attempts.count(KEY) == 1
    assert attempts.since(KEY, 101.0) == 0.0


def test_what_needs_a_person_waits_for_a_change() -> None:
    attempts = Attempts()

    wait = attempts.fail(KEY, BASIS, 0.0, 0.0, retry=False)

    assert wait == inf
    assert attempts.wait(KEY, BASIS, 1e9) == inf
    assert attempts.wait(KEY, "another", 1.0) == 0.0


def test_the_first_failure_in_a_row_is_remembered() -> None:
    attempts = failed(1)

    attempts.fail(KEY, BASIS, 130.0, 1.0, retry=True)

    assert attempts.since(KEY, 160.0) == 60.0


def test_keys_do_not_know_each_other() -> None:
    attempts = failed(3)

    attempts.fail("other", BASIS, 100.0, 1.0, retry=True)

    assert (attempts.count(KEY), attempts.count("other"), len(attempts)) == (3, 1, 2)


def test_a_cleared_key_is_forgotten() -> None:
    attempts = failed(3)

    attempts.clear(KEY)
    attempts.clear("unknown")

    assert (len(attempts), attempts.wait(KEY, BASIS, 100.0)) == (0, 0.0)
