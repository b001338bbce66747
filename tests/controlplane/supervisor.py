"""The process that owns the servers and their folder, and outlives its parent.

It obeys lines of JSON on its standard input. When that ends, for whatever reason,
it kills the servers and removes the folder: a parent that was killed cannot, and a
kernel closes pipes in any case. Standard library only, it is run by path.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LAUNCHER = Path(__file__).with_name("launcher.py")
POLL_SECONDS = 1.0


class Servers:
    """Processes by name; their logs go to the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, argv: list[str]) -> int:
        """Start a server in the folder and return its process id."""
        launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid())]
        with (self._folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*launch, *argv],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._processes[name] = process
        return process.pid

    def stop(self, name: str) -> None:
        """Kill a server: nothing that it keeps is worth a slow goodbye."""
        process = self._processes.pop(name, None)
        if process is not None:
            process.kill()
            process.wait()

    def stop_all(self) -> None:
        """Kill every server, the ones that were started last first."""
        for name in reversed(list(self._processes)):
            self.stop(name)

    def alive(self) -> dict[str, int]:
        """Return the process ids of the servers that run, by name."""
        running = self._processes.items()
        return {name: each.pid for name, each in running if each.poll() is None}


def orders(parent: int) -> Iterator[dict[str, Any]]:
    """Yield orders until the input ends or the parent is another one.

    A process forked off the parent would hold the pipe open after the parent's
    death, so the end of the input alone is not enough.
    """
    received = b""
    while os.getppid() == parent:
        if not select.select([0], [], [], POLL_SECONDS)[0]:
            continue
        chunk = os.read(0, 65536)
        if not chunk:
            return
        *lines, received = (received + chunk).split(b"\n")
        yield from map(json.loads, lines)


def obey(servers: Servers, order: dict[str, Any]) -> dict[str, Any]:
    """Carry out one order and return the answer to it."""
    match order:
        case {"start": str(name), "argv": list(argv)}:
            return {"pid": servers.start(name, argv)}
        case {"stop": str(name)}:
            servers.stop(name)
            return {}
        case _:
            return {"alive": servers.alive()}


def main() -> None:
    """Serve the parent until it is gone, then leave nothing behind."""
    parent = os.getppid()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    folder = Path(tempfile.mkdtemp(prefix="vaultferry-controlplane-"))
    servers = Servers(folder)
    try:
        print(json.dumps({"folder": str(folder)}), flush=True)
        for order in orders(parent):
            print(json.dumps(obey(servers, order)), flush=True)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        servers.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
