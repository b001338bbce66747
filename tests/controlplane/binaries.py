"""Find the control plane's binaries: given, cached, or built now."""

import fcntl
import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.controlplane import build, golang
from tests.controlplane.errors import ControlPlaneError
from tests.controlplane.progress import Progress

NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")


def find() -> Path:
    """Return the folder that holds the binaries, building them if need be."""
    given = os.environ.get("KUBEBUILDER_ASSETS")
    if given:
        return _complete(Path(given).expanduser().resolve())
    cache = cache_folder()
    folder = cache / key()
    if not folder.exists():
        with _alone(cache):
            if not folder.exists():
                build.build(golang.find(cache), folder)
    return folder


def cache_folder() -> Path:
    """Return the folder where this project keeps what it builds."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "vaultferry" / "controlplane"


def key() -> str:
    """Return a name for exactly these sources, flags and kind of machine."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((golang.HERE / name).read_bytes())
    kind = [platform.system(), platform.machine(), *build.FLAGS, *build.PACKAGES]
    digest.update("\0".join(kind).encode())
    return digest.hexdigest()[:16]


def _complete(folder: Path) -> Path:
    missing = [name for name in NAMES if not os.access(folder / name, os.X_OK)]
    if missing:
        raise ControlPlaneError(
            f"KUBEBUILDER_ASSETS is {folder}, which lacks {', '.join(missing)}; "
            "add it there, or unset the variable to have all of them built"
        )
    return folder


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Let one process at a time build; the kernel frees the lock of a dead one."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with Progress("waiting for another process that builds the control plane"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield
