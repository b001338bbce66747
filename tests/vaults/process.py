"""A fake vault in a process of its own, beside a real operator's."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.controlplane.supervisor import LAUNCHER
from tests.vaults.faults import Fault
from tests.vaults.record import Entry
from tests.vaults.vault import Kept

_ROOT = Path(__file__).parents[2]
_SECONDS = 60


@dataclass(frozen=True)
class Running:
    """The other process."""

    url: str
    """Where a client finds the vault."""

    certificate: str
    """The PEM of the authority that a client has to trust; nothing without TLS."""

    admin: str
    pid: int

    def put(self, state: Kept) -> None:
        """Replace what is in the vault."""
        self._order("PUT", "state", state.model_dump_json().encode())

    def do(self, *faults: Fault) -> None:
        """Replace the faults. `matches` cannot be sent."""
        assert all(each.matches is None for each in faults)
        dumped = [each.model_dump(exclude={"matches"}) for each in faults]
        self._order("PUT", "faults", json.dumps(dumped).encode())

    def set_clock(self, ahead: float) -> None:
        """Have its clock so many seconds ahead."""
        self._order("PUT", "clock", str(ahead).encode())

    def set_latency(self, seconds: float) -> None:
        """Have every answer take so much longer."""
        self._order("PUT", "latency", str(seconds).encode())

    def requests(self) -> list[Entry]:
        """Return what it was asked."""
        return [Entry(**each) for each in self._order("GET", "requests")]

    def forget(self) -> None:
        """Have it forget what it was asked."""
        self._order("DELETE", "requests")

    def shown(self) -> list[str]:
        """Return the tokens that it was shown, also those that it forgot."""
        found: list[str] = self._order("GET", "shown")
        return found

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Have it be down meanwhile: nobody listens, what was open is reset."""
        self._order("PUT", "listening", b"false")
        try:
            yield
        finally:
            self._order("PUT", "listening", b"true")

    def _order(self, method: str, name: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - it is our own http address
            f"{self.admin}/{name}", data=body, method=method
        )
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            return json.load(answer)


@contextmanager
def running(
    vault: str, state: Kept | None = None, arguments: Sequence[str] = ()
) -> Iterator[Running]:
    """Run a vault meanwhile, with the arguments of `python -m tests.vaults`."""
    launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid())]
    command = [sys.executable, "-m", "tests.vaults", vault, *arguments]
    process = subprocess.Popen([*launch, *command], cwd=_ROOT, stdout=subprocess.PIPE)
    with process:
        try:
            assert process.stdout is not None
            where = json.loads(process.stdout.readline())
            found = Running(**where, pid=process.pid)
            if state is not None:
                found.put(state)
            yield found
        finally:
            process.terminate()
