"""Vaults beside a real operator, and what a person writes to use them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.table import Row
from tests.e2e.tenant import Body, Tenant
from tests.vaults.doppler_state import State, Token
from tests.vaults.onepassword_connect import State as ConnectState
from tests.vaults.onepassword_connect import Token as ConnectToken
from tests.vaults.onepassword_items import Place
from tests.vaults.process import Running, running

TOKEN = "dp.st.prd.made-up-token-that-nobody-shows"
CONFIG = "shop/prd"


@dataclass(frozen=True)
class Doppler:
    """A Doppler in a process of its own, with one config and one token."""

    process: Running
    state: State

    def put(self, values: Mapping[str, str]) -> None:
        """Replace what is in the config."""
        self.state.configs[CONFIG] = dict(values)
        self.process.put(self.state)

    def revoke(self) -> None:
        """Take the token away."""
        self.state.tokens.clear()
        self.process.put(self.state)

    def downloads(self) -> list[int | None]:
        """Return the statuses by which fetches of the config were answered."""
        path = "/v3/configs/config/secrets/download"
        return [e.status for e in self.process.requests() if e.path == path]


@contextmanager
def doppler(values: Mapping[str, str]) -> Iterator[Doppler]:
    """Run a Doppler that holds values."""
    state = State(configs={CONFIG: dict(values)}, tokens={TOKEN: Token(config=CONFIG)})
    with running("doppler", state, ["--https"]) as process:
        yield Doppler(process, state)


@dataclass(frozen=True)
class Connect:
    """A 1Password Connect in a process of its own, with one token for all vaults."""

    process: Running
    state: ConnectState

    def put(self) -> None:
        """Have it serve what the state is now."""
        self.process.put(self.state)

    def paths(self) -> list[str]:
        """Return what it was asked, but for what proves the token."""
        paths = [entry.path for entry in self.process.requests()]
        return [path for path in paths if path != "/v1/vaults"]


@contextmanager
def connect(*vaults: Place) -> Iterator[Connect]:
    """Run a 1Password Connect that holds vaults."""
    token = ConnectToken(vaults=[vault.id for vault in vaults])
    state = ConnectState(vaults=list(vaults), tokens={TOKEN: token})
    with running("onepassword-connect", state, ["--https"]) as process:
        yield Connect(process, state)


def token_secret(
    tenant: Tenant, token: str = TOKEN, name: str = "doppler-token"
) -> None:
    """Store the token as a person does."""
    literal = f"--from-literal=token={token}"
    kind = "--type=vaultferry.dev/token"
    tenant.kubectl("create", "secret", "generic", name, kind, literal)


def connection(vault: Doppler, **spec: Any) -> Body:
    """Return the manifest of a VaultConnection to a Doppler."""
    section = {
        "address": vault.process.url,
        "caBundle": vault.process.certificate,
        "project": "shop",
        "config": "prd",
        "tokenSecretRef": {"name": "doppler-token"},
    }
    return _connection("doppler", {"doppler": section, **spec})


def connection_to_connect(vault: Connect, **spec: Any) -> Body:
    """Return the manifest of a VaultConnection to a 1Password Connect."""
    section = {
        "address": vault.process.url,
        "caBundle": vault.process.certificate,
        "tokenSecretRef": {"name": "connect-token"},
    }
    return _connection("connect", {"onePasswordConnect": section, **spec})


def fetched(
    tenant: Tenant, name: str, connection: str = "doppler", **spec: Any
) -> Body:
    """Return the manifest of a VaultSecret that takes its values from a vault."""
    manifest = tenant.manifest(name, {}, connectionRef={"name": connection}, **spec)
    del manifest["spec"]["sealed"]
    return manifest


def verified(tenant: Tenant, connection: Body) -> None:
    """Apply a VaultConnection, and wait until it is Ready."""
    tenant.apply(connection)
    name = f"vaultconnections.vaultferry.dev/{connection['metadata']['name']}"
    tenant.kubectl("wait", name, "--for=condition=Ready", "--timeout=60s")


@contextmanager
def connected(tenant: Tenant, connection: Body) -> Iterator[None]:
    """Have a VaultConnection meanwhile, Ready before."""
    verified(tenant, connection)
    yield
    tenant.kubectl("delete", "vaultconnections.vaultferry.dev", "--all")


def connection_reason(tenant: Tenant, name: str) -> str:
    """Return why a VaultConnection is Ready, or is not; nothing where nobody said."""
    status = tenant.get("vaultconnection", name).get("status") or {}
    reasons = [c["reason"] for c in status.get("conditions") or []]
    return reasons[0] if reasons else ""


def sync(tenant: Tenant, name: str, word: str) -> None:
    """Ask for newer values now."""
    annotation = f"vaultferry.dev/force-sync={word}"
    tenant.kubectl("annotate", "--overwrite", "vaultsecret", name, annotation)


def stale(reason: str) -> Row:
    """Return what is said where the last good Secret stays."""
    return Row(ready=("True", "Synced"), fresh=("False", reason))


def _connection(name: str, spec: Body) -> Body:
    return {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultConnection",
        "metadata": {"name": name},
        "spec": spec,
    }
