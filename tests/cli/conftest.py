from pathlib import Path

import pytest

from tests.cli.command import Sealer


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    """`vaultferry seal` with a public key and a folder for values."""
    return Sealer(tmp_path)
