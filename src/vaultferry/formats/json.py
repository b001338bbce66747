"""One JSON object of the fields, and the location where there is one."""

import json

from vaultferry.core.opened import Opened
from vaultferry.core.secrettype import SecretType

SUMMARY = "`credentials.json`: the fields, and `location` where there is one"
LAYOUT = 1


def takes(_: SecretType) -> bool:
    """Take every type."""
    return True


def render(opened: Opened) -> dict[str, bytes]:
    """Return the object."""
    location = {"location": dict(opened.settings)} if opened.settings else {}
    text = json.dumps(opened.texts() | location, sort_keys=True)
    return {"credentials.json": text.encode()}
