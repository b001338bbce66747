from math import inf

import pytest

from vaultferry.core.trickle import SETTLE_SECONDS, SPACING_SECONDS, Trickle


def test_a_key_has_its_turn_a_little_later() -> None:
    trickle = Trickle()
    trickle.put_off("a", 100.0)

    assert trickle.wait("a", 100.0) == SETTLE_SECONDS
    assert trickle.wait("a", 100.0 + SETTLE_SECONDS) == 0.0
    assert trickle.wait("a", 1e6) == 0.0
    assert trickle.wait("b", 1e6) == inf


def test_turns_are_spaced() -> None:
    trickle = Trickle()
    for key in range(11):
        trickle.put_off(key, 100.0)

    waits = [trickle.wait(key, 100.0) for key in range(11)]

    assert waits[10] - waits[0] == pytest.approx(10 * SPACING_SECONDS)
    assert waits == sorted(set(waits))


def test_a_key_has_one_turn_only() -> None:
    trickle = Trickle()
    trickle.put_off("a", 100.0)
    trickle.put_off("a", 105.0)
    first = trickle.wait("a", 105.0)
    trickle.done("a")
    trickle.put_off("a", 200.0)

    assert first == SETTLE_SECONDS - 5.0
    assert trickle.wait("a", 1e6) == inf


def test_another_one_of_the_same_name_has_its_own() -> None:
    trickle = Trickle()
    trickle.put_off("a", 100.0)

    trickle.forget("a")
    trickle.put_off("a", 200.0)

    assert trickle.wait("a", 200.0) == SETTLE_SECONDS
