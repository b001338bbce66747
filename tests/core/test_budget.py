"""What a vault's limit leaves, by a clock of the test's own."""

from itertools import pairwise

from vaultferry.core.budget import Budget, Quota

MINUTE = 60.0


def said(limit: int, left: int, seconds: float = MINUTE, now: float = 0.0) -> Budget:
    budget = Budget()
    budget.note(Quota(limit, left, seconds), now)
    return budget


def calls(budget: Budget, now: float, until: float, *, is_first: bool) -> list[float]:
    """Make a call whenever one may be made; return when each was."""
    times: list[float] = []
    while now < until and len(times) < 1000:
        wait = budget.wait(now, is_first=is_first)
        now += wait
        if not wait and now < until:
            budget.spend(now)
            times.append(now)
    return times


def test_who_says_nothing_of_a_limit_has_none() -> None:
    budget = Budget()
    budget.note(None, 0.0)

    assert len(calls(budget, 0.0, 1.0, is_first=False)) == 1000


def test_as_long_as_there_is_plenty_nobody_waits() -> None:
    times = calls(said(240, 240), 0.0, 1.0, is_first=False)

    assert times == [0.0] * 180


def test_what_gets_scarce_is_spread_over_the_time_that_is_left() -> None:
    times = calls(said(240, 60), 0.0, MINUTE, is_first=False)

    gaps = [after - before for before, after in pairwise(times)]
    assert len(times) in {35, 36}
    assert max(gaps) - min(gaps) < 0.1
    assert times[-1] > 55


def test_some_is_kept_for_who_never_had_anything() -> None:
    budget = said(240, 60)
    spent = len(calls(budget, 0.0, 59.0, is_first=False))

    left = len(calls(budget, 59.0, 60.0, is_first=True))
    assert left >= 24
    assert spent + left == 60


def test_where_nothing_is_left_all_wait_until_there_are_all_calls_again() -> None:
    budget = said(240, 0)

    assert budget.wait(10.0, is_first=True) == 50.0
    assert calls(budget, 0.0, 60.5, is_first=False) == [60.0] * 180


def test_after_that_no_more_are_made_than_the_limit_though_nobody_has_answered() -> (
    None
):
    assert len(calls(said(240, 0), 0.0, 119.9, is_first=True)) == 240


def test_answers_that_overtake_each_other_give_no_calls_back() -> None:
    budget = said(240, 30)
    budget.note(Quota(240, 33, 59.5), 0.2)

    assert len(calls(budget, 0.2, 59.0, is_first=True)) == 30


def test_calls_under_way_of_which_an_answer_does_not_know_are_counted() -> None:
    budget = said(240, 30)
    for _ in range(4):
        budget.spend(0.0)
    budget.note(Quota(240, 29, MINUTE), 0.1)

    assert len(calls(budget, 0.1, 59.0, is_first=True)) == 26


def test_what_others_spend_is_spent() -> None:
    budget = said(240, 240)
    budget.note(Quota(240, 1, 30.0), 30.0)

    assert len(calls(budget, 30.0, 59.0, is_first=True)) == 1


def test_a_new_window_of_the_vault_counts_at_once() -> None:
    budget = said(240, 0, 30.0)
    budget.note(Quota(240, 239, MINUTE), 1.0)

    assert budget.wait(1.0, is_first=False) == 0.0


def test_what_was_heard_before_is_not_heard_again() -> None:
    budget, quota = Budget(), Quota(240, 1, MINUTE)
    budget.note(quota, 0.0)
    budget.spend(0.0)
    budget.note(quota, 30.0)

    assert budget.wait(30.0, is_first=True) == 30.0


def test_a_limit_of_one_call_lets_one_through() -> None:
    assert calls(said(1, 1), 0.0, 59.0, is_first=False) == [0.0]
