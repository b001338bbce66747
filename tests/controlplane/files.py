"""The files that the servers read, written into a folder for one run."""

import secrets
from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from tests.controlplane.certificates import (
    Authority,
    KeyPair,
    new_key,
    private_pem,
    public_pem,
)
from tests.controlplane.kubeconfig import (
    Access,
    User,
    certificate_user,
    cluster,
    write_private,
)


@dataclass(frozen=True)
class Files:
    """One run's folder, its ports and who signs its certificates."""

    folder: Path
    port: int
    etcd_port: int
    etcd_peer_port: int
    plugins: tuple[str, ...] = ()
    """Admission plugins besides those that are on by default."""

    @cached_property
    def authority(self) -> Authority:
        """Signs for the API server and its clients."""
        return Authority("control-plane")

    @property
    def server(self) -> str:
        """The API server's address."""
        return f"https://127.0.0.1:{self.port}"

    def path(self, name: str) -> Path:
        """Return the path of a file in the folder."""
        return self.folder / name

    def access(self, user: User) -> Access:
        """Return a user's way to the API server."""
        return Access(cluster(self.server, self.authority.certificate), user)

    def write(self) -> None:
        """Write everything that the servers and the administrator need."""
        self._write_certificates()
        self._write_configuration()
        admin = self.authority.issue("admin", ["system:masters"])
        self._write_pair("admin", admin)
        self.access(certificate_user(admin)).write(self.path("admin.kubeconfig"))
        controllers = self.authority.issue("system:kube-controller-manager")
        self.access(certificate_user(controllers)).write(
            self.path("controller-manager.kubeconfig")
        )

    def _write_certificates(self) -> None:
        # etcd trusts another authority, or every user could read it past RBAC.
        storage = Authority("etcd")
        write_private(self.path("ca.crt"), self.authority.certificate)
        write_private(self.path("etcd-ca.crt"), storage.certificate)
        apiserver = self.authority.issue("kube-apiserver", serves=True)
        self._write_pair("apiserver", apiserver)
        self._write_pair("etcd", storage.issue("etcd", serves=True))
        self._write_pair("etcd-client", storage.issue("kube-apiserver"))
        signer = new_key()
        write_private(self.path("service-account.key"), private_pem(signer))
        write_private(self.path("service-account.pub"), public_pem(signer))

    def _write_pair(self, name: str, pair: KeyPair) -> None:
        write_private(self.path(f"{name}.crt"), pair.certificate)
        write_private(self.path(f"{name}.key"), pair.key)

    def _write_configuration(self) -> None:
        for name, content in (
            ("audit-policy.yaml", AUDIT_POLICY),
            ("encryption.yaml", _encryption(secrets.token_bytes(32))),
        ):
            write_private(self.path(name), yaml.safe_dump(content, sort_keys=False))


AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


def _encryption(key: bytes) -> dict[str, object]:
    """Encrypt Secrets at rest: in plain bytes no search for canaries means anything."""
    keys = [{"name": "run", "secret": b64encode(key).decode()}]
    providers = [{"secretbox": {"keys": keys}}, {"identity": {}}]
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": providers}],
    }
