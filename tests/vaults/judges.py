"""The vendors' own clients, which say whether a fake does as the real vault does."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import toolbox

_HERE = Path(__file__).parent
_SECONDS = 60


def packages() -> Path:
    """Return the folder with the Python packages of requirements/judges.lock."""
    return toolbox.packages("judges.lock", "clients of vaults")


def doppler() -> Path:
    """Return Doppler's command."""
    module, package = _HERE / "doppler_cli", "github.com/DopplerHQ/cli"
    return toolbox.binary("doppler", module, ("go.mod", "go.sum"), package)


@dataclass(frozen=True)
class Judge:
    """One client in a process of its own; see `clients.py` for what it can do."""

    process: "subprocess.Popen[str]"

    def ask(self, name: str, /, *arguments: object, **given: object) -> dict[str, Any]:
        """Return what a function says: `{"ok": …}` or `{"error": …, "text": …}`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([name, arguments, given]) + "\n")
        self.process.stdin.flush()
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        return said


@contextmanager
def judging() -> Iterator[Judge]:
    """Have the clients that are Python packages, meanwhile."""
    process = subprocess.Popen(
        [sys.executable, str(_HERE / "clients.py")],
        env=toolbox.environment(packages()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield Judge(process)
        assert process.stdin is not None
        process.stdin.close()


def done(*command: str | Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a client that is a command, with these variables and few others."""
    return subprocess.run(
        command,
        env=toolbox.environment(packages(), **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
