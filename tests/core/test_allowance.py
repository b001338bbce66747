"""Who is called up from the line, by a clock of the test's own."""

from math import inf

from vaultferry.core.allowance import Allowance
from vaultferry.core.budget import Quota
from vaultferry.core.urgency import Lane


def exhausted() -> Allowance:
    """Return one whose vault has calls again in a minute, ten then."""
    found = Allowance()
    found.budget.note(Quota(10, 0, 60.0), 0.0)
    return found


def test_without_a_limit_nobody_stands_in_line() -> None:
    allowance = Allowance()

    assert all(allowance.lets(str(n), "a", Lane.ROUTINE, 0.0) for n in range(500))
    assert (len(allowance), allowance.call_up(0.0)) == (0, ([], inf))


def test_namespaces_take_turns_and_who_was_never_had_comes_first() -> None:
    allowance = exhausted()
    for number in range(100):
        assert not allowance.lets(f"a{number}", "a", Lane.ROUTINE, 0.0)
    assert not allowance.lets("b", "b", Lane.ROUTINE, 0.0)
    assert not allowance.lets("new", "a", Lane.URGENT, 0.0)
    assert allowance.call_up(1.0) == ([], 59.0)

    called, wait = allowance.call_up(60.0)

    assert called[:4] == ["new", "a0", "b", "a1"]
    assert len(called) + len(allowance) == 102
    assert 0 < wait <= 60


def test_who_is_called_up_is_let_once() -> None:
    allowance = exhausted()
    allowance.lets("a", "a", Lane.ROUTINE, 0.0)
    assert allowance.call_up(60.0) == (["a"], inf)

    allowance.budget.note(Quota(10, 0, 60.0), 60.0)
    assert allowance.lets("a", "a", Lane.ROUTINE, 60.0)
    assert not allowance.lets("a", "a", Lane.ROUTINE, 60.0)


def test_nobody_gets_past_the_line() -> None:
    allowance = exhausted()
    allowance.lets("a", "a", Lane.ROUTINE, 0.0)

    assert not allowance.lets("a", "a", Lane.ROUTINE, 60.0)
    assert not allowance.lets("b", "b", Lane.ROUTINE, 60.0)
    assert allowance.lets("new", "b", Lane.URGENT, 60.0)
    assert allowance.call_up(60.0) == (["a", "b"], inf)


def test_who_is_forgotten_is_neither_called_up_nor_let() -> None:
    allowance = exhausted()
    for name in ("a", "b", "c"):
        allowance.lets(name, "a", Lane.ROUTINE, 0.0)
    allowance.forget("a")
    allowance.forget("never seen")
    assert len(allowance) == 2

    assert allowance.call_up(60.0) == (["b", "c"], inf)
    allowance.forget("b")
    allowance.budget.note(Quota(10, 0, 60.0), 60.0)
    assert not allowance.lets("b", "a", Lane.ROUTINE, 60.0)


def test_where_the_line_is_dissolved_nobody_stands_in_it() -> None:
    allowance = exhausted()
    for name in ("a", "b"):
        allowance.lets(name, "a", Lane.ROUTINE, 0.0)

    assert allowance.dissolve() == ["a", "b"]
    assert (len(allowance), allowance.call_up(60.0)) == (0, ([], inf))
