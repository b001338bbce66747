"""The parent's end of the supervisor: start, stop and measure servers."""

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.controlplane.errors import ControlPlaneError

SUPERVISOR = Path(__file__).with_name("supervisor.py")


@dataclass(frozen=True)
class Usage:
    """What a server has used so far."""

    pid: int
    cpu_seconds: float
    rss_mib: float


class Processes:
    """Servers that end with this object, or with this process at the latest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # A session of its own: a Ctrl-C at the terminal must not reach the servers
        # before the command that uses them is done.
        self._supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SUPERVISOR)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.folder = Path(self._answer()["folder"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._supervisor:
            pass
        # Only a supervisor that was killed leaves it behind.
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answer(self) -> dict[str, Any]:
        assert self._supervisor.stdout is not None
        line = self._supervisor.stdout.readline()
        if not line:
            raise ControlPlaneError("the supervisor of the control plane is gone")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _order(self, **order: object) -> dict[str, Any]:
        assert self._supervisor.stdin is not None
        with self._lock:
            try:
                print(json.dumps(order), file=self._supervisor.stdin, flush=True)
            except BrokenPipeError:
                return self._answer()
            return self._answer()

    @property
    def supervisor_pid(self) -> int:
        """The process that owns the servers."""
        return self._supervisor.pid

    def start(self, name: str, argv: list[str]) -> None:
        """Start a server."""
        self._order(start=name, argv=argv)

    def stop(self, name: str) -> None:
        """Kill a server and wait for its end."""
        self._order(stop=name)

    def pids(self) -> dict[str, int]:
        """Return the process ids of the servers that run, by name."""
        alive: dict[str, int] = self._order()["alive"]
        return alive

    def log(self, name: str) -> Path:
        """Return the file that a server logs to."""
        return self.folder / f"{name}.log"

    def usage(self) -> dict[str, Usage]:
        """Return what each server has used, from /proc (Linux only)."""
        return {name: _usage(pid) for name, pid in self.pids().items()}


def _usage(pid: int) -> Usage:
    # The second field, the command, may hold spaces; the rest follows its bracket.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    pages = int(fields[21])
    return Usage(
        pid=pid,
        cpu_seconds=ticks / os.sysconf("SC_CLK_TCK"),
        rss_mib=pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
    )
