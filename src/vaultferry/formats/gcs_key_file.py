"""The key file of a Google service account, for GOOGLE_APPLICATION_CREDENTIALS."""

from vaultferry.core.opened import Opened
from vaultferry.core.secrettype import SecretType

SUMMARY = (
    "`key.json`, the file that `GOOGLE_APPLICATION_CREDENTIALS` names where it is "
    "mounted"
)
LAYOUT = 1


def takes(kind: SecretType) -> bool:
    """Take Google Cloud Storage."""
    return kind.name == "gcs"


def render(opened: Opened) -> dict[str, bytes]:
    """Return the file to the byte as Google gave it out."""
    return {"key.json": opened.values["service_account_json"]}
