"""What a person does in a namespace, and sees there."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.controlplane import ControlPlane, ControlPlaneError
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Place, Scope

Body = dict[str, Any]


@dataclass(frozen=True)
class Tenant:
    """A namespace with everything that a test wants to do in it."""

    plane: ControlPlane
    namespace: str
    keyring: Keyring

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in the namespace, as the administrator."""
        return self.plane.kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def seal(self, name: str, **values: str) -> dict[str, str]:
        """Return strict tokens for a VaultSecret of this namespace."""
        public_key = self.keyring.public_key()
        return {
            field: public_key.seal(
                value.encode(), Scope.STRICT, Place(self.namespace, name, field)
            )
            for field, value in values.items()
        }

    def manifest(self, name: str, sealed: Mapping[str, str], **spec: Any) -> Body:
        """Return the manifest of a VaultSecret, `opaque` unless said otherwise."""
        return {
            "apiVersion": "vaultferry.dev/v1alpha1",
            "kind": "VaultSecret",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"type": "opaque", **spec, "sealed": dict(sealed)},
        }

    def apply(self, manifest: Mapping[str, Any]) -> str:
        """Apply a manifest as a person would; return what kubectl says."""
        return self.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    def refusal(self, manifest: Mapping[str, Any]) -> str:
        """Apply a manifest that must be refused; return why it was."""
        try:
            self.apply(manifest)
        except ControlPlaneError as error:
            return str(error)
        raise AssertionError("the API server accepted it")

    def synced(self, name: str, **values: str) -> Body:
        """Seal, apply, wait until Ready, and return the VaultSecret."""
        self.apply(self.manifest(name, self.seal(name, **values)))
        self.wait_ready(name)
        return self.get("vaultsecret", name)

    def wait_ready(self, name: str, seconds: int = 90) -> None:
        """Wait as a person would."""
        wanted = ("--for=condition=Ready", f"--timeout={seconds}s")
        self.kubectl("wait", f"vaultsecrets.vaultferry.dev/{name}", *wanted)

    def get(self, kind: str, name: str) -> Body:
        """Return an object as the API server has it."""
        body: Body = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return body

    def exists(self, kind: str, name: str) -> bool:
        """Tell whether an object is there."""
        found = self.kubectl("get", kind, name, "--ignore-not-found", "-o", "name")
        return bool(found.strip())

    def data(self, name: str) -> dict[str, str]:
        """Return the decoded data of a Secret."""
        data = self.get("secret", name).get("data") or {}
        return {k: base64.b64decode(v).decode() for k, v in data.items()}

    def condition(self, name: str, kind: str) -> Body | None:
        """Return a condition of a VaultSecret."""
        status = self.get("vaultsecret", name).get("status") or {}
        conditions = status.get("conditions") or []
        return next((c for c in conditions if c["type"] == kind), None)

    def reason(self, name: str, kind: str = "Ready") -> str | None:
        """Return the reason of a condition of a VaultSecret."""
        condition = self.condition(name, kind)
        return condition["reason"] if condition else None


def eventually(check: Callable[[], bool], seconds: float = 60.0) -> float:
    """Wait until something holds; return how long that took."""
    began = time.monotonic()
    while not check():
        assert time.monotonic() - began < seconds, "did not come true in time"
        time.sleep(0.1)
    return time.monotonic() - began
