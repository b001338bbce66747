"""The operator as a child process, with the rights that deploy/ gives it."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.controlplane import ControlPlane

NAMESPACE = "vaultferry-system"
KINDS = ("vaultsecrets", "vaultconnections")
ROOT = Path(__file__).parents[2]
# Fake vaults are on loopback, which no connection reaches unless that is allowed.
OPTIONS = (
    "--log-level=debug",
    "--vault-address=http://127.0.0.0/8:*",
    "--vault-address=https://127.0.0.0/8:*",
    "--push-port=0",
)
_START_SECONDS = 120
_STOP_SECONDS = 60

STARTED: list["Operator"] = []
"""Every operator that was started, so that a test that fails can show their logs."""


@dataclass
class Operator:
    """An operator that can be stopped and started again, as a pod would be."""

    kubeconfig: Path
    log: Path
    environ: Mapping[str, str]
    options: Sequence[str] = OPTIONS
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        assert self.process is not None
        return self.process.pid

    def start(self, *, ready: bool = True) -> None:
        """Start it and wait until it leads; its log goes on in the same file."""
        STARTED.append(self)
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vaultferry", "run", "--port=0", *self.options],
                env={
                    **os.environ,
                    "KUBECONFIG": str(self.kubeconfig),
                    **self.environ,
                },
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._wait(lambda: self._read_port(before))
        if ready:
            self._wait(lambda: self.is_ready() and self.leads())

    def stop(self) -> int:
        """Stop it as Kubernetes would; return the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(_STOP_SECONDS)
        self.process = None
        return code

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have it down meanwhile."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @property
    def push_port(self) -> int:
        """Where it takes webhooks; 0 before it does."""
        found = re.findall(rb'"push_port": (\d+)', self.log.read_bytes())
        return int(found[-1]) if found else 0

    def get(self, path: str) -> str:
        """Return what the health endpoint answers."""
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            text: str = answer.read().decode()
        return text

    def metric(self, name: str, **labels: str) -> float:
        """Return a sample of the metrics; the sum, where labels are left out.

        What was not counted yet, and so is not there, is 0.
        """
        families = text_string_to_metric_families(self.get("/metrics"))
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == f"vaultferry_{name}"
            and labels.items() <= sample.labels.items()
        )

    def _read_port(self, before: int) -> bool:
        text = self.log.read_bytes()[before:].decode()
        found = re.search(r'"port": (\d+)', text)
        self.port = int(found[1]) if found else 0
        return found is not None

    def is_ready(self) -> bool:
        """Tell whether it would be sent traffic."""
        try:
            self.get("/readyz")
        except OSError:
            return False
        return True

    def not_ready(self) -> list[str]:
        """Return what /readyz says is failing."""
        try:
            self.get("/readyz")
        except urllib.error.HTTPError as refused:
            text: str = refused.read().decode()
            return text.removeprefix("failing: ").rstrip().split(", ")
        return []

    def leads(self) -> bool:
        """Tell whether it, of all replicas, reconciles."""
        return self.metric("leading") == 1

    def _wait(self, check: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not check():
            gone = self.process is None or self.process.poll() is not None
            if gone or time.monotonic() > deadline:
                text = self.log.read_text()
                raise AssertionError(f"the operator did not start:\n{text}")
            time.sleep(0.05)


def install(plane: ControlPlane) -> None:
    """Install CRD and rights as a person would."""
    rights(plane)
    plane.kubectl("apply", "-f", str(ROOT / "crds"))
    plane.wait_established(*(f"crd/{kind}.vaultferry.dev" for kind in KINDS))
    plane.notice_new_kinds()


def rights(plane: ControlPlane) -> None:
    """Install the operator's service account and rights."""
    for name in ("namespace", "serviceaccount", "rbac", "policy", "publickeys"):
        plane.kubectl("apply", "-f", str(ROOT / "deploy" / "base" / f"{name}.yaml"))


@contextmanager
def running(
    plane: ControlPlane,
    folder: Path,
    root_key: str,
    options: Sequence[str] = OPTIONS,
    *,
    ready: bool = True,
) -> Iterator[Operator]:
    """Run an operator under its own service account until left.

    Args:
        plane: the cluster.
        folder: where its log goes.
        root_key: its root key.
        options: of `vaultferry run`.
        ready: whether to wait until it leads.
    """
    operator = Operator(
        kubeconfig=plane.kubeconfig_for_service_account(NAMESPACE, "vaultferry"),
        log=folder / "operator.log",
        environ={"ENCRYPTION_KEY": root_key},
        options=options,
    )
    try:
        operator.start(ready=ready)
        yield operator
    finally:
        if operator.process is not None:
            operator.stop()
