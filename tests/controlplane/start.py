"""Start a control plane, or take one that exists."""

import random
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.controlplane import binaries, kubeconfig, servers
from tests.controlplane.errors import ControlPlaneError
from tests.controlplane.files import Files
from tests.controlplane.plane import ControlPlane, Faults
from tests.controlplane.processes import Processes
from tests.controlplane.progress import Progress
from tests.controlplane.readiness import Readiness


@contextmanager
def start(plugins: Sequence[str] = ()) -> Iterator[ControlPlane]:
    """Run a control plane of our own; nothing is left of it afterwards.

    Args:
        plugins: admission plugins besides those that are on by default.
    """
    bin_dir = binaries.find()
    with Processes() as processes:
        port, etcd_port, peer_port = _free_ports(3)
        files = Files(processes.folder, port, etcd_port, peer_port, tuple(plugins))
        with Progress("control plane: starting") as progress:
            progress.detail = "certificates"
            files.write()
            ready = Readiness(files, processes, progress)
            processes.start("etcd", servers.etcd(bin_dir, files))
            processes.start("kube-apiserver", servers.apiserver(bin_dir, files))
            ready.wait("/livez")
            _start_controllers(bin_dir, files, processes)
            ready.wait_for_all()
        yield _own(bin_dir, files, processes)


@contextmanager
def existing(path: Path) -> Iterator[ControlPlane]:
    """Use the cluster of a kubeconfig; its users are impersonated by its owner."""
    found = shutil.which("kubectl")
    if found is None:
        raise ControlPlaneError("kubectl is not on the PATH")
    admin = kubeconfig.read(path)
    with tempfile.TemporaryDirectory(prefix="vaultferry-kubeconfigs-") as name:
        folder = Path(name)
        # Only kubectl comes first on the PATH, not all that lies beside it.
        (folder / "bin").mkdir()
        (folder / "bin" / "kubectl").symlink_to(found)
        yield ControlPlane(
            server=admin.cluster["server"],
            ca_file=_authority(admin, folder / "ca.crt"),
            kubeconfig=admin.write(folder / "admin.kubeconfig"),
            bin_dir=folder / "bin",
            work_dir=folder,
            cluster=admin.cluster,
            user=lambda user, groups: _impersonated(admin, user, groups),
        )


def _start_controllers(bin_dir: Path, files: Files, processes: Processes) -> None:
    controllers = servers.controller_manager(bin_dir, files)
    processes.start("kube-controller-manager", controllers)


def _own(bin_dir: Path, files: Files, processes: Processes) -> ControlPlane:
    return ControlPlane(
        server=files.server,
        ca_file=files.path("ca.crt"),
        kubeconfig=files.path("admin.kubeconfig"),
        bin_dir=bin_dir,
        work_dir=files.folder,
        cluster=kubeconfig.cluster(files.server, files.authority.certificate),
        user=lambda user, groups: kubeconfig.certificate_user(
            files.authority.issue(user, groups)
        ),
        audit_log=files.path("audit.log"),
        etcd_dir=files.path("etcd"),
        faults=_faults(bin_dir, files, processes),
    )


def _faults(bin_dir: Path, files: Files, processes: Processes) -> Faults:
    def start_apiserver() -> None:
        with Progress("control plane: starting again") as progress:
            processes.start("kube-apiserver", servers.apiserver(bin_dir, files))
            Readiness(files, processes, progress).wait_for_all()

    def restart_controllers() -> None:
        processes.stop("kube-controller-manager")
        _start_controllers(bin_dir, files, processes)

    return Faults(
        stop_apiserver=lambda: processes.stop("kube-apiserver"),
        start_apiserver=start_apiserver,
        restart_controllers=restart_controllers,
        usage=processes.usage,
    )


def _impersonated(
    admin: kubeconfig.Access, name: str, groups: Sequence[str]
) -> kubeconfig.User:
    return {**admin.user, "as": name, "as-groups": list(groups)}


def _authority(admin: kubeconfig.Access, path: Path) -> Path | None:
    encoded = admin.cluster.get("certificate-authority-data")
    if encoded is None:
        return None
    kubeconfig.write_private(path, kubeconfig.decode(encoded))
    return path


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, below those that clients are given.

    A port that the kernel chose could be another program's a moment later, and
    the API server could not come back to its own after a stop.
    """
    free: list[int] = []
    for port in random.sample(range(20000, 30000), 1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                free.append(port)
        if len(free) == count:
            return free
    raise ControlPlaneError("no free ports on 127.0.0.1")
