"""The connection string of Azure Storage."""

from urllib.parse import urlsplit

from vaultferry.core.errors import ValueInvalid
from vaultferry.core.opened import Opened
from vaultferry.core.secrettype import SecretType

SUMMARY = "`AZURE_STORAGE_CONNECTION_STRING`"
LAYOUT = 1


def takes(kind: SecretType) -> bool:
    """Take Azure Blob Storage."""
    return kind.name == "azure_blob"


def render(opened: Opened) -> dict[str, bytes]:
    """Return the connection string."""
    parts = _of_url(opened) if "sas_url" in opened.values else _of_key(opened)
    text = ";".join(f"{name}={part}" for name, part in parts.items())
    return {"AZURE_STORAGE_CONNECTION_STRING": text.encode()}


def _of_key(opened: Opened) -> dict[str, str]:
    endpoint = opened.location.endpoint
    return {
        "DefaultEndpointsProtocol": "https",
        "AccountName": _part(opened, "account_name"),
        "AccountKey": _part(opened, "account_key"),
        **(
            {"BlobEndpoint": endpoint}
            if endpoint
            else {"EndpointSuffix": "core.windows.net"}
        ),
    }


def _of_url(opened: Opened) -> dict[str, str]:
    url = urlsplit(_part(opened, "sas_url"))
    return {
        "BlobEndpoint": opened.location.endpoint or f"{url.scheme}://{url.netloc}",
        "SharedAccessSignature": url.query,
    }


def _part(opened: Opened, field: str) -> str:
    text = opened.text(field)
    if ";" in text or not text.isprintable():
        raise ValueInvalid(
            f"field {field} has {len(opened.values[field])} bytes that a connection "
            "string cannot hold: one line without ;"
        )
    return text
