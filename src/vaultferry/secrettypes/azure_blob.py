"""Azure Blob Storage: an account's key, or a URL with a shared access signature."""

from base64 import b64decode
from urllib.parse import parse_qs, urlsplit

from vaultferry.core.checks import Shape, Values, one_line, told_apart, unlike
from vaultferry.core.errors import ValueInvalid
from vaultferry.core.expiry import seconds
from vaultferry.core.secrettype import Fields, SecretType

_KEY_LENGTH = 64


def _check_key(values: Values) -> None:
    key = values["account_key"]
    if _decoded_length(key) != _KEY_LENGTH:
        raise ValueInvalid(
            f"field account_key has {len(key)} bytes that are not base64 of "
            f"{_KEY_LENGTH}: seal the key alone, not a connection string"
        )


def _decoded_length(text: bytes) -> int | None:
    try:
        return len(b64decode(text, validate=True))
    except ValueError:
        return None


def _check_url(values: Values) -> None:
    url = values["sas_url"]
    query = _query(url.decode())
    if query is None:
        raise ValueInvalid(
            f"field sas_url has {len(url)} bytes that are no https:// URL: seal the "
            "whole URL, not the signature alone"
        )
    if "sig" not in query:
        raise ValueInvalid(
            f"field sas_url has {len(url)} bytes without a signature (sig): seal the "
            "URL with its shared access signature"
        )


def _end(values: Values) -> float | None:
    """Read the end of the signature, or of the key it was made with if that is first.

    A stored access policy may have it instead, which only the service knows.
    """
    query = _query(values["sas_url"].decode()) or {}
    said = [seconds(text) for name in ("se", "ske") for text in query.get(name, ())]
    return min((end for end in said if end is not None), default=None)


def _query(url: str) -> dict[str, list[str]] | None:
    try:
        parts = urlsplit(url)
        # http is what the emulator has.
        is_url = parts.scheme in {"https", "http"} and parts.hostname
        return parse_qs(parts.query) if is_url else None
    except ValueError:
        return None


_NAME = Shape(r"[a-z0-9]{3,24}", "3 to 24 lower-case letters and digits")
_ACCOUNT_KEY = Shape(r"[A-Za-z0-9+/]{86}==", "88 characters of base64")

TYPE = SecretType(
    name="azure_blob",
    summary="access to Azure Blob Storage",
    methods={
        "azure_account_key": Fields(
            required=("account_name", "account_key"),
            checks=(
                one_line,
                told_apart({"account_name": _NAME, "account_key": _ACCOUNT_KEY}),
                _check_key,
            ),
            remarks=(unlike({"account_name": _NAME}),),
        ),
        "azure_sas_url": Fields(
            required=("sas_url",),
            checks=(one_line, _check_url),
            end=_end,
            refused_after_end=True,
        ),
    },
    location=("bucket", "endpoint"),
)
