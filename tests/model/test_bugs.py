"""The seeded bugs: a test that finds none of them would find no others either."""

from pathlib import Path

import pytest

from tests.controlplane import ControlPlane
from tests.model import bugs
from tests.model.bugs import Bug


@pytest.mark.parametrize("bug", bugs.every(), ids=lambda bug: bug.name)
def test_the_model_finds_a_seeded_bug(
    cluster: ControlPlane, tmp_path: Path, bug: Bug
) -> None:
    assert bugs.hunt(cluster, tmp_path, bug, worlds=16) is not None
