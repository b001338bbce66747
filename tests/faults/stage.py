"""A namespace in which a VaultSecret lives, and what is seen of it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from tests.faults.history import SECRETS, VAULTSECRETS, Body, History, Version
from vaultferry.core.consent import ALLOW
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Place, Scope

Values = Mapping[str, str]

NAME = "db"
BYSTANDER = "bystander"
FOREIGN = "foreign"
_ITSELF: Body = {"metadata": {"name": BYSTANDER}, "stringData": {"a": "b"}}
# As much like one of ours as somebody else's can be.
_ALIKE: Body = {
    "metadata": {
        "name": FOREIGN,
        "labels": {"app.kubernetes.io/managed-by": "vaultferry"},
        "annotations": {"vaultferry.dev/owner": "elsewhere/db", "team": "shop"},
    },
    "stringData": {"password": "not ours"},
}


@dataclass(frozen=True)
class Stage:
    """One namespace; a VaultSecret and its Secret are called `db`."""

    namespace: str
    keyring: Keyring
    history: History

    def build(self) -> None:
        """Make the namespace, and in it Secrets that nobody may touch."""
        name = {"name": self.namespace}
        self.history.create("/api/v1/namespaces", {"metadata": name})
        for secret in (_ITSELF, _ALIKE):
            self.history.create(self._secrets(), secret)

    def leave(self) -> None:
        """Delete the namespace, and do not wait for it."""
        self.history.delete(f"/api/v1/namespaces/{self.namespace}")

    def host(self, values: Values) -> None:
        """Have a Secret of somebody else, into which the VaultSecret may merge."""
        allowed = {"name": NAME, "annotations": {ALLOW: "merge"}}
        secret = {"metadata": allowed, "stringData": dict(values)}
        self.history.create(self._secrets(), secret)

    def create(self, values: Values, policy: str = "Owner") -> Body:
        """Create the VaultSecret."""
        manifest = {
            "apiVersion": "vaultferry.dev/v1alpha1",
            "kind": "VaultSecret",
            "metadata": {"name": NAME},
            "spec": {
                "type": "opaque",
                "sealed": self._sealed(values),
                "target": {"creationPolicy": policy},
            },
        }
        return self.history.create(self._vaultsecrets(), manifest)

    def update(self, values: Values) -> Body:
        """Change the values of the VaultSecret; keys stay unless changed."""
        change = {"spec": {"sealed": self._sealed(values)}}
        return self.history.patch(f"{self._vaultsecrets()}/{NAME}", change)

    def delete(self) -> None:
        """Delete the VaultSecret."""
        self.history.delete(f"{self._vaultsecrets()}/{NAME}")

    def edit(self, values: Values) -> Body:
        """Edit the Secret by hand."""
        path = f"{self._secrets()}/{NAME}"
        return self.history.patch(path, {"stringData": dict(values)})

    def take(self, key: str) -> Body:
        """Take a key out of the Secret by hand."""
        path = f"{self._secrets()}/{NAME}"
        return self.history.patch(path, {"data": {key: None}})

    def lose(self) -> None:
        """Delete the Secret by hand."""
        self.history.delete(f"{self._secrets()}/{NAME}")

    def secret(self, name: str = NAME) -> list[Version]:
        """Return all versions of a Secret."""
        return self.history.of(SECRETS, self.namespace, name)

    def vaultsecret(self) -> list[Version]:
        """Return all versions of the VaultSecret."""
        return self.history.of(VAULTSECRETS, self.namespace, NAME)

    def _sealed(self, values: Values) -> dict[str, str]:
        seal = self.keyring.public_key().seal
        return {
            field: seal(
                value.encode(), Scope.STRICT, Place(self.namespace, NAME, field)
            )
            for field, value in values.items()
        }

    def _secrets(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/secrets"

    def _vaultsecrets(self) -> str:
        group = "/apis/vaultferry.dev/v1alpha1"
        return f"{group}/namespaces/{self.namespace}/vaultsecrets"


def data(version: Version) -> dict[str, str]:
    """Return what a version of a Secret holds."""
    held = version.body.get("data") or {}
    return {key: base64.b64decode(value).decode() for key, value in held.items()}


def is_ready(version: Version) -> bool:
    """Tell whether a version of a VaultSecret says that its generation is realised."""
    body = version.body
    status = body.get("status") or {}
    if status.get("observedGeneration") != body["metadata"]["generation"]:
        return False
    conditions = status.get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
