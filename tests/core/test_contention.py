"""When repairs slow down, and when they are quick again."""

from vaultferry.core.contention import Contention

KEY = ("team", "app")


def fought(*times: float, about: int = 1) -> Contention:
    """Return a memory of repairs at these times."""
    contention = Contention()
    for now in times:
        contention.repaired(KEY, about, now)
    return contention


def test_two_repairs_are_no_fight() -> None:
    assert fought(0, 1).lasts(KEY, 1, 2) == 0


def test_the_third_repair_within_five_minutes_begins_a_fight() -> None:
    assert fought(0, 1, 300).lasts(KEY, 1, 300) == 300
    assert fought(0, 1, 301).lasts(KEY, 1, 301) == 0


def test_in_a_fight_the_next_repair_is_a_minute_after_the_last() -> None:
    contention = fought(0, 1, 2)

    assert contention.wait(KEY, 1, 3) == 59
    assert contention.wait(KEY, 1, 62) == 0


def test_a_fight_goes_on_while_each_minute_has_its_repair() -> None:
    contention = fought(0, 1, 2, 62, 122, 182)

    assert contention.lasts(KEY, 1, 183) == 299
    assert contention.wait(KEY, 1, 183) == 59


def test_five_minutes_without_a_repair_end_it() -> None:
    contention = fought(0, 1, 2)

    assert contention.lasts(KEY, 1, 301.5) == 0.5
    assert contention.lasts(KEY, 1, 302) == 0
    assert contention.wait(KEY, 1, 302) == 0


def test_a_new_generation_is_no_part_of_the_fight() -> None:
    contention = fought(0, 1, 2)

    assert contention.wait(KEY, 2, 3) == 0
    contention.repaired(KEY, 2, 3)
    assert contention.lasts(KEY, 2, 3) == 0


def test_a_key_that_is_gone_is_forgotten() -> None:
    contention = fought(0, 1, 2)

    contention.forget(KEY)

    assert contention.lasts(KEY, 1, 3) == 0
