"""What the operator is configured with: read once, then frozen."""

from dataclasses import dataclass, field

from vaultferry.core.addresses import Exceptions
from vaultferry.core.keyring import Keyring
from vaultferry.core.metadata import DEFAULT_PREFIXES
from vaultferry.operator.scopes import Scopes
from vaultferry.places import DEFAULT_ROOM

DEFAULT_NAMESPACE = "vaultferry-system"
"""The namespace that deploy/ puts the operator in."""


@dataclass(frozen=True)
class Settings:
    """The configuration of one operator process."""

    keyring: Keyring
    """The root keys, newest first."""

    port: int = 8080
    """Where health and metrics are served; 0 takes a free port."""

    prefixes: tuple[str, ...] = DEFAULT_PREFIXES
    """The prefixes allowed in labels and annotations of targets."""

    workers: int = 16
    """How many reconciliations run at a time."""

    lease_namespace: str = DEFAULT_NAMESPACE
    """The namespace of the Lease; replicas of one cluster share it."""

    namespaces: tuple[str, ...] = ()
    """The namespaces that are served; none named: all of the cluster."""

    exceptions: Exceptions = field(default_factory=Exceptions)
    """What vaults may be reached at besides https and public addresses."""

    proxy: str | None = None
    """The proxy to external vaults: `http://HOST:PORT`."""

    installation: str | None = None
    """By what this installation is told from others in a store; None: by the uid of
    the namespace kube-system."""

    push_port: int | None = None
    """Where vaults call when something changed; 0 takes a free port of loopback; None:
    they cannot."""

    ambient: tuple[str, ...] = ()
    """The namespaces whose connections may use what the operator itself is."""

    room: int = DEFAULT_ROOM
    """How many bytes of what vaults answered are kept."""

    @property
    def scopes(self) -> Scopes:
        """What is listed and watched, each by itself."""
        return self.namespaces or (None,)

    @property
    def connections(self) -> int:
        """Connections to the API server: one a worker and a watch, and a few more.

        Those are for events, the Lease, namespaces, and what reads now and then.
        """
        return self.workers + len(self.scopes) + 4
