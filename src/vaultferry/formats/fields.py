"""Every field under its own name, as it is."""

from vaultferry.core.opened import Opened
from vaultferry.core.secrettype import SecretType

SUMMARY = "each field under its own name, as it is"
LAYOUT = 1


def takes(_: SecretType) -> bool:
    """Take every type."""
    return True


def render(opened: Opened) -> dict[str, bytes]:
    """Return the values unchanged."""
    return dict(opened.values)
