"""Tools of others that tests run, installed or built once for all test runs."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.controlplane import golang
from tests.controlplane.binaries import cache_folder
from tests.controlplane.build import ENVIRONMENT, UNSET
from tests.controlplane.progress import Progress

REQUIREMENTS = Path(__file__).parents[1] / "requirements"
FLAGS = ("-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags=-s -w")


def packages(lock: str, what: str) -> Path:
    """Return a folder with the Python packages of a file in requirements/."""
    path = REQUIREMENTS / lock

    def install(folder: Path) -> None:
        command = [*golang.installer(), "install", "--quiet", "--no-deps"]
        where = ["--require-hashes", "--target", str(folder), "-r", str(path)]
        with Progress(f"{what}, once: installing"):
            subprocess.run([*command, *where], check=True)

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return _made("packages", [version.encode(), path.read_bytes()], install)


def binary(name: str, module: Path, files: Sequence[str], package: str = ".") -> Path:
    """Return a program in Go, built from a module of these files.

    Args:
        name: of the program.
        module: the folder of its `go.mod`.
        files: all that it is built from.
        package: of which it is the command.
    """

    def build(path: Path) -> None:
        with Progress(f"{name}, once: building"):
            _go(module, "build", *FLAGS, "-o", str(path), package)

    return _made(name, [(module / each).read_bytes() for each in files], build)


def source(module: Path, name: str) -> Path:
    """Return the folder with the source of a Go module that another one requires."""
    return Path(json.loads(_go(module, "mod", "download", "-json", name))["Dir"])


def environment(packages: Path, **variables: str) -> dict[str, str]:
    """Return an environment with packages, these variables, and nothing else."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(packages)} | variables


def _go(module: Path, *arguments: str) -> str:
    """Run Go in the folder of a module; return what it prints."""
    kept = {key: text for key, text in os.environ.items() if key not in UNSET}
    done = subprocess.run(
        [golang.find(cache_folder()), *arguments],
        cwd=module,
        env=kept | ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


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
