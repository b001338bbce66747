"""Bugs that were put into the code on purpose: the model test has to find each."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane import ControlPlane
from tests.model import campaign
from tests.model.campaign import Found, Plan

_ROOT = Path(__file__).parents[2]
_FOLDER = Path(__file__).parent / "bugs"
_HEADER = re.compile(r"^Seed: (\d+)$", re.MULTILINE)
_OPERATIONS = 4000
_PAUSE_SECONDS = 3.0
_PATIENCE_SECONDS = 20.0
_WHERE = "import vaultferry; print(vaultferry.__file__)"


@dataclass(frozen=True)
class Bug:
    """A patch of the source with a header that says what it does."""

    path: Path

    @property
    def name(self) -> str:
        """Its name."""
        return self.path.stem

    @property
    def seed(self) -> int:
        """The seed of the run that finds it."""
        found = _HEADER.search(self.path.read_text())
        assert found is not None, f"{self.path}: no line `Seed: …`"
        return int(found[1])

    def planted(self, folder: Path) -> Mapping[str, str]:
        """Copy the source, patch the copy, and return an environment that uses it."""
        shutil.copytree(_ROOT / "src", folder / "src")
        subprocess.run(
            ["git", "apply", str(self.path)],
            cwd=folder,
            check=True,
            capture_output=True,
        )
        environ = {"PYTHONPATH": str(folder / "src")}
        done = subprocess.run(
            [sys.executable, "-c", _WHERE],
            env={**os.environ, **environ},
            cwd=_ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        assert done.stdout.startswith(str(folder)), "the copy is not what is used"
        return environ


def every() -> list[Bug]:
    """Return all of them."""
    return [Bug(path) for path in sorted(_FOLDER.glob("*.patch"))]


def hunt(plane: ControlPlane, folder: Path, bug: Bug, *, worlds: int) -> Found | None:
    """Run the model test on a bug; return how it was found, None if it was not."""
    environ = bug.planted(folder)
    plan = Plan(
        bug.seed,
        _OPERATIONS,
        worlds,
        pause=_PAUSE_SECONDS,
        environ=environ,
        patience=_PATIENCE_SECONDS,
        thorough=False,
    )
    try:
        campaign.run(plane, folder, plan)
    except Found as found:
        return found
    return None
