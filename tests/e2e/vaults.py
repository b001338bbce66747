"""A Doppler beside a real operator, and what a person writes to use it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.tenant import Body, Tenant
from tests.vaults.doppler_state import State, Token
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


def token_secret(tenant: Tenant, token: str = TOKEN) -> None:
    """Store the token as a person does."""
    literal = f"--from-literal=token={token}"
    kind = "--type=vaultferry.dev/token"
    tenant.kubectl("create", "secret", "generic", "doppler-token", kind, literal)


def connection(vault: Doppler, **spec: Any) -> Body:
    """Return the manifest of a VaultConnection to a Doppler."""
    section = {
        "address": vault.process.url,
        "caBundle": vault.process.certificate,
        "project": "shop",
        "config": "prd",
        "tokenSecretRef": {"name": "doppler-token"},
    }
    return {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultConnection",
        "metadata": {"name": "doppler"},
        "spec": {"doppler": section, **spec},
    }


def fetched(tenant: Tenant, name: str, **spec: Any) -> Body:
    """Return the manifest of a VaultSecret that takes its values from the vault."""
    manifest = tenant.manifest(name, {}, connectionRef={"name": "doppler"}, **spec)
    del manifest["spec"]["sealed"]
    return manifest
