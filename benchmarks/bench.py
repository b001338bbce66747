"""What all phases share: a control plane, its administrator, a key, a folder."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.fernet import Fernet

from benchmarks import calls, objects
from benchmarks.client import Client, Refused
from benchmarks.objects import Key
from benchmarks.watching import Check, is_true
from tests.controlplane import ControlPlane
from tests.e2e.audit import OPERATOR, AuditLog
from tests.e2e.operator import NAMESPACE, Operator
from vaultferry.core.keyring import Keyring

_QUIET_SECONDS = 2
_SERVED_TIMES = 5
_SERVED_TRIES = 100
_SERVED_PAUSE = 0.2


class Process(Protocol):
    """A program under test, which can be started again."""

    log: Path

    @property
    def pid(self) -> int:
        """Its process id while it runs."""
        ...

    def start(self, *, ready: bool = True) -> None:
        """Start it, and wait until it says that it is ready, where it does."""
        ...

    def stop(self) -> object:
        """Stop it as Kubernetes would."""
        ...


@dataclass(frozen=True)
class Contestant:
    """A program, who it is to the API server, and what it works on."""

    process: Process
    user: str
    collection: str
    done: Check


@dataclass(frozen=True, repr=False)
class Bench:
    """Where it is measured."""

    plane: ControlPlane
    admin: Client
    audit: AuditLog
    root_key: str
    folder: Path

    @property
    def keyring(self) -> Keyring:
        """The keys of the operator."""
        return Keyring.parse([self.root_key])

    def contestant(self, options: Sequence[str] = ()) -> Contestant:
        """Return our operator, not started; the options are its own by default."""
        operator = Operator(
            kubeconfig=self.plane.kubeconfig_for_service_account(
                NAMESPACE, "vaultferry"
            ),
            log=self.folder / "operator.log",
            environ={"ENCRYPTION_KEY": self.root_key},
            options=options,
        )
        return Contestant(operator, OPERATOR, objects.collection(), is_true("Ready"))

    async def place(self) -> int:
        """Return the present place in the audit log."""
        return await asyncio.to_thread(self.audit.now)

    async def calls(
        self, since: int, contestant: Contestant, chosen: Iterable[Key]
    ) -> calls.Calls:
        """Count what a contestant asked for since a place."""
        read = self.audit.requests
        requests = await asyncio.to_thread(read, since, contestant.user)
        return calls.count(requests, objects.namespaces(chosen))

    async def quiet(self, since: int, contestant: Contestant) -> None:
        """Wait until a contestant asks for nothing any more, but for a Lease.

        One with a limit of requests a second hardly uses the CPU while it works.
        """
        before = -1
        while (now := (await self.calls(since, contestant, ())).all) != before:
            before = now
            await asyncio.sleep(_QUIET_SECONDS)

    async def remove(self, chosen: Iterable[Key]) -> None:
        """Delete the namespaces of keys, and wait until nothing is left of them."""
        names = objects.namespaces(chosen)
        await asyncio.to_thread(objects.remove, self.plane, names)


@asynccontextmanager
async def bench(plane: ControlPlane, folder: Path) -> AsyncIterator[Bench]:
    """Prepare measuring on a control plane that has our CRD and rights.

    Args:
        plane: a control plane of our own.
        folder: where logs go.
    """
    assert plane.audit_log is not None
    audit = AuditLog(plane.audit_log, plane)
    async with Client.of_administrator(plane) as admin:
        await _served(admin)
        yield Bench(plane, admin, audit, Fernet.generate_key().decode(), folder)


async def _served(admin: Client) -> None:
    """Wait until a kind whose CRD was just installed is served for good."""
    good = 0
    for _ in range(_SERVED_TRIES):
        try:
            await admin.get(f"{objects.collection()}?limit=1")
            good += 1
        except Refused:
            good = 0
        if good == _SERVED_TIMES:
            return
        await asyncio.sleep(_SERVED_PAUSE)
    raise Refused("VaultSecrets are not served")


@asynccontextmanager
async def stopping(process: Process) -> AsyncIterator[None]:
    """Stop a process at the end, if it runs then."""
    try:
        yield
    finally:
        await asyncio.to_thread(process.stop)
