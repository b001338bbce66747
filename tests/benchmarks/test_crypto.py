import pytest

from benchmarks.crypto import RIVAL, Rates, contestants, measure, rate, render
from vaultferry.core.suites import Suite


def test_every_suite_stands_beside_the_rival() -> None:
    found = measure(contestants(), rounds=1, seconds=0.01)

    assert list(found) == [*map(str, Suite), RIVAL]
    assert all(each.seal > 0 and each.open > 0 for each in found.values())


def test_a_rate_is_calls_by_time() -> None:
    calls: list[None] = []

    found = rate(lambda: calls.append(None), 0.05)

    assert found == pytest.approx(len(calls) / 0.05, rel=0.5)


def test_the_table_has_ratios_to_the_rival() -> None:
    found = {"ours": Rates(2000, 50, 90), RIVAL: Rates(1000, 100, 540)}

    _, ours, theirs = render(found).splitlines()

    assert ours.split() == ["ours", "2000", "x2", "50", "x0.5", "90"]
    assert theirs.split()[-5:] == ["1000", "x1", "100", "x1", "540"]
