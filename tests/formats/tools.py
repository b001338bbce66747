"""The real tools that read back what formats write, installed or built once."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.controlplane import golang
from tests.controlplane.binaries import cache_folder
from tests.controlplane.build import ENVIRONMENT, UNSET
from tests.controlplane.progress import Progress

LOCK = Path(__file__).parents[2] / "requirements" / "tools.lock"
RCLONE = Path(__file__).parent / "rclone"
FLAGS = ("-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags=-s -w")


def packages() -> Path:
    """Return the folder with the Python packages of requirements/tools.lock."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return _made("packages", [version.encode(), LOCK.read_bytes()], _install)


def rclone() -> Path:
    """Return rclone."""
    sources = [(RCLONE / name).read_bytes() for name in ("go.mod", "go.sum", "main.go")]
    return _made("rclone", sources, _build)


def environment(**variables: str) -> dict[str, str]:
    """Return an environment with the packages, these variables, and nothing else."""
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(packages())}
    return kept | variables


def _made(name: str, sources: list[bytes], make: Callable[[Path], None]) -> Path:
    """Return what was made of these sources, once for all that share the cache."""
    cache = cache_folder().parent / "tools"
    made = cache / f"{name}-{hashlib.sha256(b''.join(sources)).hexdigest()[:16]}"
    if not made.exists():
        with _alone(cache):
            if not made.exists():
                new = Path(tempfile.mkdtemp(dir=cache, prefix=".making-"))
                try:
                    make(new / name)
                    (new / name).rename(made)
                finally:
                    shutil.rmtree(new, ignore_errors=True)
    return made


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(folder: Path) -> None:
    command = [*golang.installer(), "install", "--quiet", "--no-deps"]
    where = ["--require-hashes", "--target", str(folder), "-r", str(LOCK)]
    with Progress("tools that read back formats, once: installing"):
        subprocess.run([*command, *where], check=True)


def _build(binary: Path) -> None:
    kept = {name: text for name, text in os.environ.items() if name not in UNSET}
    with Progress("rclone, which reads back a format, once: building"):
        subprocess.run(
            [golang.find(cache_folder()), "build", *FLAGS, "-o", binary, "."],
            cwd=RCLONE,
            env=kept | ENVIRONMENT,
            check=True,
        )
