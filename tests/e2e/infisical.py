"""An Infisical beside a real operator, and what a person writes to use it."""

import json
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.tenant import Body, Tenant
from tests.vaults.infisical_state import (
    Folder,
    Identity,
    Import,
    Project,
    Rule,
    Secret,
    State,
)
from tests.vaults.process import Running, running

PROJECT = "11111111-2222-3333-4444-555555555555"
SECRET = "made-up-client-secret-that-nobody-shows"
LOGIN = "/api/v1/auth/universal-auth/login"
_SECONDS = 30


@dataclass(frozen=True)
class Infisical:
    """An Infisical in a process of its own, with one project and one identity."""

    process: Running
    state: State

    @property
    def project(self) -> Project:
        return self.state.projects["shop"]

    @property
    def identity(self) -> Identity:
        return self.state.identities["operator"]

    @property
    def folders(self) -> dict[str, Folder]:
        return self.project.environments["dev"]

    def tell(self) -> None:
        """Have the process know the state."""
        self.process.put(self.state)

    def put(self, path: str, **values: str) -> None:
        """Replace what is in a folder, but for its imports."""
        folder = self.folders.setdefault(path, Folder())
        folder.secrets = {name: Secret(value=text) for name, text in values.items()}
        self.tell()

    def lock(self) -> None:
        """Log in wrongly until nobody can for five minutes, by whatever secret."""
        wrong = {"clientId": self.identity.client_id, "clientSecret": "wrong"}
        said = [self._post(LOGIN, wrong)["message"] for _ in range(4)]
        assert "temporarily locked" in said[-1]

    def revoke(self) -> None:
        """Revoke all tokens that were shown."""
        for token in self.process.shown():
            self._post("/api/v1/auth/token/revoke", {"accessToken": token})

    def _post(self, path: str, body: Body) -> Body:
        trust = ssl.create_default_context(cadata=self.process.certificate)
        where = urlsplit(self.process.url).netloc
        with closing(HTTPSConnection(where, timeout=_SECONDS, context=trust)) as line:
            line.request("POST", path, json.dumps(body))
            said: Body = json.load(line.getresponse())
        return said

    def asked(self, path: str) -> list[int | None]:
        """Return the statuses by which calls of a path were answered."""
        return [e.status for e in self.process.requests() if e.path == path]


@contextmanager
def infisical() -> Iterator[Infisical]:
    """Run an Infisical with a folder that imports from another one."""
    with running("infisical", None, ["--https"]) as process:
        started = Infisical(process, _state())
        started.tell()
        yield started


def client_secret(tenant: Tenant, secret: str = SECRET) -> None:
    """Store the client secret as a person does."""
    literal = f"--from-literal=token={secret}"
    kind = "--type=vaultferry.dev/token"
    tenant.kubectl("create", "secret", "generic", "client-secret", kind, literal)


def connection(vault: Infisical, **settings: Any) -> Body:
    """Return the manifest of a VaultConnection to the project."""
    section = {
        "address": vault.process.url,
        "caBundle": vault.process.certificate,
        "projectId": PROJECT,
        "environment": "dev",
        "path": "/app",
        "clientId": "made-up-client-id",
        "clientSecretSecretRef": {"name": "client-secret"},
    }
    return {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultConnection",
        "metadata": {"name": "infisical"},
        "spec": {"infisical": section | settings},
    }


def fetched(tenant: Tenant, name: str, **spec: Any) -> Body:
    """Return the manifest of a VaultSecret that takes its values from there."""
    manifest = tenant.manifest(name, {}, connectionRef={"name": "infisical"}, **spec)
    del manifest["spec"]["sealed"]
    return manifest


def _state() -> State:
    imports = [Import(environment="dev", path="/shared")]
    folders = {"/app": Folder(imports=imports), "/shared": Folder()}
    identity = Identity(
        client_id="made-up-client-id",
        client_secret=SECRET,
        rules={"shop": [Rule()]},
    )
    return State(
        projects={"shop": Project(id=PROJECT, environments={"dev": folders})},
        identities={"operator": identity},
        remembered_seconds=0,
    )
