"""The environment variables that SDKs and tools read, by type."""

from vaultferry.core.opened import Opened, access
from vaultferry.core.secrettype import SecretType

# Today's SDKs ask for checksums by default that other vendors do not know.
_NOT_AWS = {
    "AWS_REQUEST_CHECKSUM_CALCULATION": b"when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": b"when_required",
}


def known(kind: SecretType) -> bool:
    """Tell whether there are such variables for a type."""
    return kind.s3 is not None or kind.name == "azure_blob"


def of(opened: Opened) -> dict[str, bytes]:
    """Return the variables for a credential.

    Raises:
        InvalidSpec: the location lacks a setting.
    """
    if opened.kind.name == "azure_blob":
        return _azure(opened)
    if opened.kind.name == "b2":
        return _b2(opened)
    return _aws(opened)


def _aws(opened: Opened) -> dict[str, bytes]:
    key = access(opened)
    fields = key.named(
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
    )
    # Some SDKs read the one, some the other.
    settings = {
        "AWS_DEFAULT_REGION": key.service.region,
        "AWS_REGION": key.service.region,
        "AWS_ENDPOINT_URL_S3": key.service.endpoint,
    }
    return {
        **{name: opened.values[field] for name, field in fields.items()},
        **{name: value.encode() for name, value in settings.items() if value},
        **({} if key.service.is_aws else _NOT_AWS),
    }


def _b2(opened: Opened) -> dict[str, bytes]:
    native = {
        "B2_APPLICATION_KEY": opened.values["application_key"],
        "B2_APPLICATION_KEY_ID": opened.values["application_key_id"],
    }
    # Its S3 is another address, which only a region or an endpoint tells.
    return native | (_aws(opened) if "endpoint" in opened.settings else {})


def _azure(opened: Opened) -> dict[str, bytes]:
    values = opened.values
    if "sas_url" not in values:
        return _azure_account(values["account_name"]) | {
            "AZURE_STORAGE_ACCOUNT_KEY": values["account_key"],
            "AZURE_STORAGE_KEY": values["account_key"],
        }
    url, _, token = values["sas_url"].partition(b"?")
    account, is_named, _ = url.partition(b"://")[2].partition(b".blob.")
    # A domain of one's own does not tell the account.
    return {
        "AZURE_STORAGE_SAS_TOKEN": token,
        **(_azure_account(account) if is_named else {}),
    }


def _azure_account(name: bytes) -> dict[str, bytes]:
    # The CLI reads the one, libraries the other.
    return {"AZURE_STORAGE_ACCOUNT": name, "AZURE_STORAGE_ACCOUNT_NAME": name}
