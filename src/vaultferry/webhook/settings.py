"""What the webhook is configured with: read once, then frozen."""

from dataclasses import dataclass
from pathlib import Path

from vaultferry.core.keyring import Keyring

NAME = "vaultferry-webhook"
NAMESPACE = "vaultferry-system"
DEFAULT_HOST = f"{NAME}.{NAMESPACE}.svc"
"""As the API server calls the Service of deploy/webhook."""


@dataclass(frozen=True)
class CertificateFiles:
    """A certificate that somebody else looks after, such as cert-manager."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Settings:
    """The configuration of one webhook process."""

    keyring: Keyring
    """The root keys, newest first."""

    port: int = 9443
    """Where the API server asks; 0 takes a free port of loopback."""

    health_port: int = 8080
    """Where health and metrics are served; 0 takes a free port of loopback."""

    host: str = DEFAULT_HOST
    """The name or address in our own certificate."""

    files: CertificateFiles | None = None
    """The certificate to use instead of our own."""
