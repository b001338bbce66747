"""What is kept back, for how long, and in which lane it comes then."""

from vaultferry.core.urgency import Lane
from vaultferry.operator.gate import Gate
from vaultferry.operator.scopes import Scopes
from vaultferry.views import Key

ONE, OTHER = Key("one", "db"), Key("other", "db")


def gate(scopes: Scopes) -> tuple[Gate, list[tuple[Key, Lane]]]:
    passed: list[tuple[Key, Lane]] = []
    return Gate(scopes, lambda key, lane: passed.append((key, lane))), passed


def test_before_the_list_is_complete_nothing_passes() -> None:
    closed, passed = gate([None])

    closed.add(ONE, Lane.URGENT)
    assert passed == []

    closed.open(None)
    closed.add(OTHER, Lane.LAST)
    assert passed == [(ONE, Lane.URGENT), (OTHER, Lane.LAST)]


def test_what_came_more_than_once_passes_once_in_its_most_urgent_lane() -> None:
    closed, passed = gate([None])

    for lane in (Lane.ROUTINE, Lane.URGENT, Lane.LAST):
        closed.add(ONE, lane)
    closed.open(None)

    assert passed == [(ONE, Lane.URGENT)]


def test_a_namespace_does_not_hold_up_another() -> None:
    closed, passed = gate(["one", "other"])
    closed.open("one")

    closed.add(ONE, Lane.URGENT)
    closed.add(OTHER, Lane.URGENT)

    assert passed == [(ONE, Lane.URGENT)]
