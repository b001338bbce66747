"""Other operators, as binaries that the user built, on the same API server."""

import os
import random
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import objects, phases
from benchmarks.bench import Bench, Contestant, stopping
from benchmarks.client import each
from benchmarks.figures import Figures
from benchmarks.objects import Key
from benchmarks.watching import Check
from tests.controlplane import ControlPlane

_STOP_SECONDS = 30
ACCOUNT = "rival"


@dataclass
class Program:
    """A program that is no Vaultferry: nobody asks it whether it is ready."""

    command: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id while it runs."""
        assert self.process is not None
        return self.process.pid

    def start(self, *, ready: bool = True) -> None:
        """Start it."""
        del ready
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environ},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        """Stop it as Kubernetes would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


@dataclass(frozen=True)
class Rival:
    """Another operator, and the same work as it is given to it."""

    program: Program
    user: str
    group: str
    """Group and version of its objects, as in a path."""
    plural: str
    done: Check
    shared: Sequence[tuple[str, Mapping[str, Any]]]
    """What all its objects need: paths and manifests."""
    manifest: Callable[[Key, Mapping[str, bytes]], Mapping[str, Any]]

    def collection(self, namespace: str | None = None) -> str:
        """Return the path of its objects, of all namespaces or one."""
        inside = f"/namespaces/{namespace}" if namespace else ""
        return f"/apis/{self.group}{inside}/{self.plural}"


async def measure(
    bench: Bench, name: str, rival: Rival, count: int, rest_seconds: float
) -> Figures:
    """Take the same number of objects through first sync, rest and restart."""
    chance = random.Random(count)
    chosen = objects.keys(name, count)
    await objects.create_namespaces(bench.admin, objects.namespaces(chosen))
    for path, manifest in rival.shared:
        await bench.admin.create(path, manifest)

    async def create(key: Key) -> None:
        made = rival.manifest(key, objects.values(chance))
        await bench.admin.create(rival.collection(key.namespace), made)

    await each(chosen, create)
    contestant = Contestant(rival.program, rival.user, rival.collection(), rival.done)
    async with stopping(rival.program):
        figures = await phases.measure(bench, contestant, chosen, rest_seconds)
        # While it runs: what has a finalizer is not let go by anybody else.
        await bench.remove(chosen)
    return figures


def install(plane: ControlPlane, name: str, crds: Path) -> tuple[str, Path]:
    """Install CRDs, and an account that may do everything.

    Returns:
        The account's user name and kubeconfig.
    """
    space = f"versus-{name}"
    kinds = str(crds)
    plane.kubectl("apply", "--server-side", "-f", kinds)
    plane.wait_established("-f", kinds)
    plane.notice_new_kinds()
    plane.kubectl("create", "namespace", space)
    plane.kubectl("-n", space, "create", "serviceaccount", ACCOUNT)
    bound = ["--clusterrole=cluster-admin", f"--serviceaccount={space}:{ACCOUNT}"]
    plane.kubectl("create", "clusterrolebinding", space, *bound)
    user = f"system:serviceaccount:{space}:{ACCOUNT}"
    return user, plane.kubeconfig_for_service_account(space, ACCOUNT)
