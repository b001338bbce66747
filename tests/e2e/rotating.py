"""Many sealed VaultSecrets, the operator's keys, and the commands that move both."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path

from tests.controlplane import ControlPlane
from tests.e2e.operator import NAMESPACE, Operator, running
from tests.e2e.tenant import Body, Tenant, eventually
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Place, Scope, key_ids
from vaultferry.core.suites import Suite

_CHUNK = 250
_CHUNKS = 4
_SECONDS = 600


@dataclass
class Rotated:
    """An operator whose root keys are changed, and the namespace that is looked at."""

    tenant: Tenant
    operator: Operator
    user: Path
    """The kubeconfig of who rotates."""

    @property
    def plane(self) -> ControlPlane:
        return self.tenant.plane

    def have(self, *roots: str) -> Keyring:
        """Give the operator these root keys, newest first, and start it anew."""
        self.operator.stop()
        self.operator.environ = keys(*roots)
        self.operator.start()
        ring = Keyring.parse(roots)
        eventually(lambda: self.published() == str(ring.public_key()))
        return ring

    def published(self) -> str:
        """Return the public key that everybody may read."""
        name = ("configmap", "vaultferry-public-keys", "-o", "json")
        body = json.loads(self.plane.kubectl("-n", NAMESPACE, "get", *name))
        return str((body.get("data") or {}).get("hpke-x25519"))

    def kill(self) -> None:
        """Kill the operator, and start it again as the next pod would be."""
        assert self.operator.process is not None
        self.operator.process.kill()
        self.operator.process.wait()
        # Else the next one would wait for the lease of the dead, see test_failover.py.
        self.plane.kubectl("-n", NAMESPACE, "delete", "lease", "vaultferry")
        self.operator.start()

    def count(self, age: str) -> float:
        """Return how many VaultSecrets are sealed for keys of an age."""
        return self.operator.metric("sealed_vaultsecrets", age=age)

    def left(self, key_id: str) -> int:
        """Count the VaultSecrets that have a token of another key."""
        bodies = self.all("vaultsecrets.vaultferry.dev").values()
        return sum(key_ids(b["spec"]["sealed"]) != (key_id,) for b in bodies)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "vaultferry", *arguments]

    def run(
        self, *arguments: str, roots: Iterable[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run the command as who rotates, with these root keys."""
        return subprocess.run(
            self.command(*arguments),
            env=self._env(roots),
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )

    def killed(
        self, roots: Iterable[str], moment: Callable[[], bool], *options: str
    ) -> None:
        """Rotate, and kill that with SIGKILL at a moment, which must come before."""
        with subprocess.Popen(
            self.command("rotate", *options),
            env=self._env(roots),
            stdout=subprocess.DEVNULL,
        ) as process:
            while not moment():
                assert process.poll() is None, "it was done before it was killed"
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL

    def _env(self, roots: Iterable[str]) -> Mapping[str, str]:
        mine = {**os.environ, "KUBECONFIG": str(self.user), **keys(*roots)}
        return {name: text for name, text in mine.items() if text}

    def all(self, kind: str) -> dict[str, Body]:
        """Return the objects of a kind by name."""
        listed = json.loads(self.tenant.kubectl("get", kind, "-o", "json"))["items"]
        return {body["metadata"]["name"]: body for body in listed}

    def secrets(self) -> dict[str, tuple[str, str, Body]]:
        """Return what must not change: identity and data of each Secret."""
        return {
            name: (
                body["metadata"]["uid"],
                body["metadata"]["resourceVersion"],
                body["data"],
            )
            for name, body in self.all("secrets").items()
        }

    def versions(self) -> dict[str, object]:
        """Return the version that each status counts."""
        bodies = self.all("vaultsecrets.vaultferry.dev")
        return {name: body["status"].get("version") for name, body in bodies.items()}

    def is_ready(self, key_id: str | None = None) -> bool:
        """Tell whether all is Ready, and said to be on a key."""
        bodies = self.all("vaultsecrets.vaultferry.dev").values()
        return all(_is_ready(body, key_id) for body in bodies)


def _is_ready(body: Body, key_id: str | None) -> bool:
    status = body["status"]
    ready = [c["status"] for c in status.get("conditions", ()) if c["type"] == "Ready"]
    is_current = status.get("observedGeneration") == body["metadata"]["generation"]
    is_said = key_id in {None, status.get("keyId")}
    return is_current and is_said and ready == ["True"]


def keys(*roots: str) -> Mapping[str, str]:
    """Return root keys, newest first, as the environment gives them."""
    return {"ENCRYPTION_KEY": ",".join(roots)}


@contextmanager
def rotated(tenant: Tenant, folder: Path, root: str) -> Iterator[Rotated]:
    """Have an operator with one root key, and somebody with the rights to rotate."""
    plane = tenant.plane
    rights = ("--verb=list,get,patch", "--resource=vaultsecrets.vaultferry.dev")
    plane.kubectl("create", "clusterrole", "rotator", *rights)
    plane.kubectl(
        "create", "clusterrolebinding", "rotator", "--clusterrole=rotator", "--user=ron"
    )
    with running(plane, folder, root) as operator:
        yield Rotated(tenant, operator, plane.kubeconfig_for_user("ron"))
    plane.kubectl("delete", "clusterrole,clusterrolebinding", "rotator")


def create(tenant: Tenant, root: str, count: int, tokens: int = 2) -> None:
    """Create VaultSecrets as our own tools would, sealed in every way there is.

    Args:
        tenant: where.
        root: the root key.
        count: how many.
        tokens: how many values each has.
    """
    ways = cycle(product(Suite, Scope, (1, 2, 12)))
    rings = {epoch: Keyring.parse([root], epoch) for epoch in (1, 2, 12)}
    manifests = []
    for number, (suite, scope, epoch) in zip(range(count), ways, strict=False):
        name = f"db-{number}"
        sealed = {
            field: rings[epoch].seal(
                f"{field} of {name}".encode(),
                suite,
                scope,
                Place(tenant.namespace, name, field),
            )
            for field in (f"f{i}" for i in range(tokens))
        }
        manifests.append(tenant.manifest(name, sealed))
    chunks = [manifests[i : i + _CHUNK] for i in range(0, count, _CHUNK)]
    with ThreadPoolExecutor(_CHUNKS) as pool:
        list(pool.map(lambda chunk: _create(tenant, chunk), chunks))


def _create(tenant: Tenant, manifests: list[Body]) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
    own = "--field-manager=vaultferry"
    tenant.kubectl("create", own, "--filename=-", stdin=json.dumps(listed))
