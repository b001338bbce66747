"""The vaults: each module declares one as `PROVIDER`, and opens it with `session`.

A module says what its section of a VaultConnection's spec holds, what a reference
means there, and how a place is fetched. It keeps no state but what a session needs.
"""

from collections.abc import Mapping
from typing import Any, Protocol, cast

from vaultferry import plugins
from vaultferry.core.errors import InvalidSpec
from vaultferry.core.model import Model, understood
from vaultferry.core.provider import Given, Provider, Session
from vaultferry.outbound import Outbound


class Module(Protocol):
    """What a module has to have."""

    PROVIDER: Provider[Any]

    def session(self, settings: Any, token: Given, outbound: Outbound) -> Session:
        """Return a session with one credential; nothing is called yet.

        Args:
            settings: the section.
            token: what `PROVIDER.token` asks for; what is in a Secret is never empty.
            outbound: what calls are made by.

        Raises:
            AuthenticationFailed: it cannot be a credential.
            ConnectionNotReady: there is none.
        """


def names() -> tuple[str, ...]:
    """Return the names of the modules."""
    return plugins.names(__name__)


def load(name: str) -> Module:
    """Return the module of that name."""
    return cast("Module", plugins.load(__name__, name))


def of(spec: Mapping[str, Any]) -> tuple[Module, Model]:
    """Return the module that a VaultConnection's spec is for, and its section.

    Raises:
        InvalidSpec: this version knows none, or does not understand the section.
    """
    for name in names():
        module = load(name)
        provider = module.PROVIDER
        if section := spec.get(provider.field):
            at = f"spec.{provider.field}"
            return module, understood(provider.settings, section, at)
    raise InvalidSpec("spec has no vault that this version knows")
