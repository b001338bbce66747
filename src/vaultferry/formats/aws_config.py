"""The two files of the AWS CLI and SDKs, with everything in the default profile."""

from vaultferry.core.opened import Opened, access
from vaultferry.core.s3 import Service
from vaultferry.core.secrettype import SecretType
from vaultferry.formats import _ini

SUMMARY = "`credentials` and `config`, the files of `~/.aws`"
LAYOUT = 1


def takes(kind: SecretType) -> bool:
    """Take what speaks S3."""
    return kind.s3 is not None


def render(opened: Opened) -> dict[str, bytes]:
    """Return the two files under their names."""
    key = access(opened)
    fields = key.named(
        "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
    )
    options = {option: _ini.value(opened, field) for option, field in fields.items()}
    return {
        "config": _config(key.service).encode(),
        "credentials": _ini.section("default", options).encode(),
    }


def _config(service: Service) -> str:
    default: dict[str, str | None] = {"region": service.region}
    if not service.is_aws:
        style = "path" if service.path_style else "virtual"
        default |= {
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "s3": f"\n    addressing_style = {style}",
        }
    if service.endpoint is None:
        return _ini.section("default", default)
    # For S3 alone: other services of AWS are not there.
    services = {"s3": f"\n    endpoint_url = {service.endpoint}"}
    return (
        _ini.section("default", default | {"services": "storage"})
        + "\n"
        + _ini.section("services storage", services)
    )
