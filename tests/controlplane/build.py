"""Build the control plane from Go modules that are pinned to the byte."""

import collections
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.controlplane.errors import ControlPlaneError
from tests.controlplane.golang import HERE
from tests.controlplane.progress import Progress
from tests.controlplane.supervisor import LAUNCHER

PACKAGES = (
    "go.etcd.io/etcd/server/v3",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    "k8s.io/kubernetes/cmd/kubectl",
)
# Without a version the server calls itself v0.0.0-master, and clients that read
# versions stumble.
VERSION = {"gitVersion": "v1.36.3", "gitMajor": "1", "gitMinor": "36"}
FLAGS = (
    "-mod=readonly",
    "-buildvcs=false",
    "-trimpath",
    "-ldflags=-s -w "
    + " ".join(
        f"-X k8s.io/component-base/version.{name}={value}"
        for name, value in VERSION.items()
    ),
)
# A GOROOT would send one Go to another's library.
UNSET = ("GOROOT",)
# No C compiler needed; no Go of another version fetched; no workspace above us.
ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
STALE = ".building-"


def build(go: Path, folder: Path) -> None:
    """Build into a folder beside and rename it: there is all or nothing.

    The caller sees to it that nobody else builds.
    """
    for stale in folder.parent.glob(f"{STALE}*"):
        shutil.rmtree(stale, ignore_errors=True)
    new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=STALE))
    try:
        _compile(go, new)
        (new / "bin" / "server").rename(new / "bin" / "etcd")
        (new / "bin").rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _compile(go: Path, new: Path) -> None:
    with Progress("control plane, once: fetching Go modules") as progress:
        listed = 0
        for line in _run(go, new, "list", "-deps", *FLAGS, *PACKAGES):
            listed += not line.startswith("go: ")
            progress.detail = line.removeprefix("go: ")
    with Progress("control plane, once: building") as progress:
        output = f"-o={new / 'bin'}{os.sep}"
        lines = _run(go, new, "build", "-v", *FLAGS, output, *PACKAGES)
        for done, line in enumerate(lines, start=1):
            progress.detail = f"package {min(done, listed)} of {listed}, {line}"


def _run(go: Path, new: Path, *arguments: str) -> Iterator[str]:
    """Yield what a Go command says while it runs."""
    said: collections.deque[str] = collections.deque(maxlen=20)
    with _go(go, new, *arguments) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            yield line.strip()
    if process.returncode != 0:
        raise ControlPlaneError(f"`go {arguments[0]}` failed:\n{''.join(said)}")


@contextmanager
def _go(go: Path, new: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run Go so that neither it nor its compilers outlive us."""
    launch = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid())]
    process = subprocess.Popen(
        [*launch, str(go), *arguments],
        cwd=HERE,
        env=_environment(new),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def _environment(new: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    # What an interrupted Go leaves behind then goes with the folder.
    return {**kept, **ENVIRONMENT, "GOTMPDIR": str(new)}
