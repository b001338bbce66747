"""A service account key of Google Cloud, as the JSON file that Google gives out."""

import json
from typing import Any

from vaultferry.core.checks import Values
from vaultferry.core.errors import ValueInvalid
from vaultferry.core.secrettype import Fields, SecretType

_NEEDED = ("client_email", "private_key", "token_uri")
_PEM = ("-----BEGIN ", "PRIVATE KEY-----")


def _check_key(values: Values) -> None:
    field = values["service_account_json"]
    if fault := _fault(_parsed(field)):
        raise ValueInvalid(
            f"field service_account_json has {len(field)} bytes that {fault}: seal the "
            "JSON file of a service account key, whole"
        )


def _fault(key: Any) -> str | None:
    if not isinstance(key, dict):
        return "are no JSON object"
    if key.get("type") != "service_account":
        return "are of another type than service_account"
    if missing := [name for name in _NEEDED if not _is_text(key.get(name))]:
        return f"lack {', '.join(missing)}"
    if not all(part in key["private_key"] for part in _PEM):
        return "have a private_key that is not PEM"
    return None


def _parsed(field: bytes) -> Any:
    try:
        return json.loads(field.decode())
    except (ValueError, RecursionError):
        return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


TYPE = SecretType(
    name="gcs",
    summary="a service account key for Google Cloud Storage",
    methods={
        "gcs_service_account": Fields(
            required=("service_account_json",), checks=(_check_key,)
        )
    },
    location=("bucket",),
)
