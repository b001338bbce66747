"""The VaultConnection resource: how to reach one vault, and who may use it for what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field

from vaultferry.core.condition import Conditions, Reported
from vaultferry.core.model import Model, Name, understood
from vaultferry.core.selector import LabelSelector

KIND = "VaultConnection"
PLURAL = "vaultconnections"

MAX_BUNDLE = 64 * 1024

_GLOB = Annotated[str, Field(min_length=1, max_length=253)]


class TokenRef(Model):
    """A key in a Secret of the connection's own namespace, which consents."""

    name: Name
    """The name of the Secret."""

    key: Annotated[str, Field(min_length=1, max_length=253)] = "token"
    """The key in it; default: `token`."""


class AccountRef(Model):
    """A ServiceAccount of the connection's own namespace, which consents."""

    name: Name
    """The name of the ServiceAccount."""


Address = Annotated[str, Field(min_length=1, max_length=512)]
Bundle = Annotated[str, Field(min_length=1, max_length=MAX_BUNDLE)]
Part = Annotated[str, Field(min_length=1, max_length=253)]


class Access(Model):
    """Who may use the connection, and for what."""

    namespaces: Annotated[list[_GLOB], Field(max_length=64)] = []
    """Namespaces besides its own, by name or glob (`team-*`); default: none."""

    namespace_selector: LabelSelector | None = None
    """Namespaces besides these, by their labels; default: none."""

    keys: Annotated[list[_GLOB], Field(max_length=64)] = ["**"]
    """What may be read, by glob over references: `*` within a segment, `**` across
    them; default: everything that the token can read."""


class Spec(Model):
    """How to reach one vault, and who may use it for what.

    The section of the vault itself is its provider's own.
    """

    access: Access = Access()
    """Who may use the connection, and for what; default: its own namespace."""


class Status(Reported):
    """What the operator observed; nothing that changes by itself."""

    conditions: Conditions = []
    """Ready: whether the vault last answered, and took the token. Webhook: whether
    its webhooks are taken, where the spec has a secret for them."""

    observed_generation: int = -1
    """The generation that the conditions are about."""


@dataclass(frozen=True)
class VaultConnection:
    """A VaultConnection as the API server has it."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    deleting: bool
    status: Status
    raw_spec: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "VaultConnection":
        """Read a resource from the API's answer or a watch event."""
        metadata = body["metadata"]
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            resource_version=metadata["resourceVersion"],
            deleting="deletionTimestamp" in metadata,
            status=Status.model_validate(body.get("status") or {}),
            raw_spec=body.get("spec") or {},
        )

    @cached_property
    def spec(self) -> Spec:
        """The part of the spec that is the same for every vault.

        Raises:
            InvalidSpec: this version does not understand it.
        """
        return understood(Spec, self.raw_spec)
        return understood(Spec, self.raw_spec)
