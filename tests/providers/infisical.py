"""A fake Infisical over TLS, and sessions of ours that ask it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.vaults.infisical import Infisical
from tests.vaults.infisical_shop import ID, PROJECT, SECRET, new_state
from tests.vaults.infisical_state import Project, Rule, State
from tests.vaults.server import Server
from vaultferry.core.addresses import Exceptions
from vaultferry.core.provider import Session
from vaultferry.outbound import Outbound
from vaultferry.providers import infisical

LOGIN = "/api/v1/auth/universal-auth/login"
KUBERNETES = "/api/v1/auth/kubernetes-auth/login"
NO_ROUTE = '{"message":"Route not found","error":"Not Found","statusCode":404}'


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Shop:
    """A server, and what asks it."""

    server: Server
    outbound: Outbound
    clock: Clock

    @property
    def state(self) -> State:
        found: State = self.server.vault.state
        return found

    @property
    def project(self) -> Project:
        return self.state.projects["shop"]

    def session(
        self, name: str = "all", secret: str | None = None, **settings: Any
    ) -> Session:
        """Return a session of an identity."""
        given = settings_of(name, self.server, **settings)
        token = {"token": (secret or f"{SECRET}-{name}").encode()}
        return infisical.session(given, token, self.outbound, self.clock)

    def allow(self, name: str, *rules: Rule) -> None:
        """Give an identity these rights instead of its own."""
        self.state.identities[name].rules["shop"] = list(rules)

    def asked(self, path: str = "/api/") -> list[int | None]:
        """Return the statuses by which calls were answered."""
        return [e.status for e in self.server.record if e.path.startswith(path)]

    def targets(self) -> list[str]:
        """Return what was asked for, logins excepted."""
        return [e.target for e in self.server.record if e.path != LOGIN]

    def pass_time(self, seconds: float) -> None:
        """Move our clock and the server's."""
        self.clock.now += seconds
        self.server.vault.ahead += seconds


def settings_of(
    name: str = "all", server: Server | None = None, **given: Any
) -> infisical.Settings:
    """Return settings as they stand in a manifest."""
    known = {
        "projectId": PROJECT,
        "environment": "dev",
        "clientId": f"{ID}-{name}",
        "clientSecretSecretRef": {"name": "infisical"},
    }
    if server is not None:
        known |= {"address": server.url, "caBundle": server.certificate}
    body = {key: text for key, text in (known | given).items() if text is not None}
    return infisical.Settings.model_validate(body)


@asynccontextmanager
async def shop() -> AsyncIterator[Shop]:
    """Run the fake with something of everything in it."""
    outbound = Outbound(Exceptions.parse(["https://127.0.0.0/8:*"]))
    state = new_state()
    state.remembered_seconds = 0
    async with Server(Infisical(state), https=True) as server:
        try:
            yield Shop(server, outbound, Clock())
        finally:
            await outbound.close()
