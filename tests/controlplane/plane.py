"""A running control plane, as tests, the demo and people see it."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.controlplane.errors import ControlPlaneError
from tests.controlplane.kubeconfig import Access, User
from tests.controlplane.processes import Usage

_ESTABLISHED_SECONDS = 60.0
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Faults:
    """What can be done to a control plane of our own, and only to that."""

    stop_apiserver: Callable[[], None]
    start_apiserver: Callable[[], None]
    restart_controllers: Callable[[], None]
    usage: Callable[[], dict[str, Usage]]


@dataclass(frozen=True)
class ControlPlane:
    """A control plane; what a cluster of somebody else's has not is None."""

    server: str
    ca_file: Path | None
    kubeconfig: Path
    bin_dir: Path
    work_dir: Path
    cluster: Mapping[str, Any]
    user: Callable[[str, Sequence[str]], User]
    audit_log: Path | None = None
    etcd_dir: Path | None = None
    faults: Faults | None = None

    def env(self, kubeconfig: Path | None = None) -> dict[str, str]:
        """Return the environment, with a kubeconfig and our binaries first."""
        path = f"{self.bin_dir}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        chosen = kubeconfig or self.kubeconfig
        return {**os.environ, "PATH": path, "KUBECONFIG": str(chosen)}

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as the administrator and return its output."""
        done = subprocess.run(
            ["kubectl", *arguments],
            env=self.env(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ControlPlaneError(f"kubectl {arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object and return it as the API server made it."""
        flags = ["--filename=-", "--output=json"]
        made = self.kubectl("create", *flags, stdin=json.dumps(manifest))
        created: dict[str, Any] = json.loads(made)
        return created

    @property
    def tenant_kubeconfig(self) -> Path:
        """The kubeconfig of `tenant`, a user without rights until someone binds it."""
        return self.kubeconfig_for_user("tenant")

    def kubeconfig_for_user(self, name: str, groups: Sequence[str] = ()) -> Path:
        """Return the kubeconfig of any user, without rights but those bound to it."""
        return self._write("+".join(["user", name, *groups]), self.user(name, groups))

    def kubeconfig_for_service_account(self, namespace: str, name: str) -> Path:
        """Return the kubeconfig of a service account, with a real token of it."""
        options = ["--namespace", namespace, "--duration=24h"]
        token = self.kubectl("create", "token", name, *options).strip()
        return self._write(f"sa+{namespace}+{name}", {"token": token})

    def stop_apiserver(self) -> None:
        """Kill the API server, as if its machine had died."""
        self._faults().stop_apiserver()

    def start_apiserver(self) -> None:
        """Start the API server again, on the same port, and wait for it."""
        self._faults().start_apiserver()

    def wait_established(self, *crds: str) -> None:
        """Wait until CRDs are served, named as for `kubectl get`.

        `kubectl wait` ends with an error where one has no conditions yet.
        """
        deadline = time.monotonic() + _ESTABLISHED_SECONDS
        while not all(map(_is_established, self._get(*crds))):
            if time.monotonic() > deadline:
                raise ControlPlaneError(f"not established: {' '.join(crds)}")
            time.sleep(_PAUSE_SECONDS)

    def notice_new_kinds(self) -> None:
        """Let garbage collection know the kinds of CRDs that were just installed.

        It asks for new ones every 30 s only, and up to then a child of such a kind
        outlives its owner. In somebody else's cluster there is only waiting for it.
        """
        if self.faults is not None:
            self.faults.restart_controllers()

    def usage(self) -> dict[str, Usage]:
        """Return what etcd, kube-apiserver and kube-controller-manager have used."""
        return self._faults().usage()

    def _get(self, *what: str) -> list[dict[str, Any]]:
        found = json.loads(self.kubectl("get", *what, "--output=json"))
        items: list[dict[str, Any]] = found.get("items", [found])
        return items

    def _faults(self) -> Faults:
        if self.faults is None:
            raise ControlPlaneError("not possible in a cluster of somebody else's")
        return self.faults

    def _write(self, name: str, user: User) -> Path:
        path = self.work_dir / f"{quote(name, safe='+')}.kubeconfig"
        return Access(self.cluster, user).write(path)


def _is_established(crd: Mapping[str, Any]) -> bool:
    conditions = crd.get("status", {}).get("conditions") or []
    return any((c["type"], c["status"]) == ("Established", "True") for c in conditions)
