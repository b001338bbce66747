"""The environment variables that SDKs and tools read, for `envFrom`."""

from vaultferry.core.opened import Opened
from vaultferry.core.secrettype import SecretType
from vaultferry.formats import _variables

SUMMARY = "the environment variables that SDKs and tools read, for `envFrom`"
LAYOUT = 1


def takes(kind: SecretType) -> bool:
    """Take the types that there are such variables for."""
    return _variables.known(kind)


def render(opened: Opened) -> dict[str, bytes]:
    """Return each variable under its name."""
    return _variables.of(opened)
