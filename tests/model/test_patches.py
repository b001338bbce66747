"""The seeded bugs can still be planted: cheap, so that it is seen at once."""

from pathlib import Path

import pytest

from tests.model import bugs
from tests.model.bugs import Bug


def test_there_are_at_least_twelve() -> None:
    assert len(bugs.every()) >= 12


@pytest.mark.parametrize("bug", bugs.every(), ids=lambda bug: bug.name)
def test_a_bug_can_be_planted(bug: Bug, tmp_path: Path) -> None:
    environ = bug.planted(tmp_path)

    assert environ["PYTHONPATH"].startswith(str(tmp_path))
    assert bug.seed >= 0
