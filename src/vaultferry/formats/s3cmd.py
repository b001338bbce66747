"""The configuration of s3cmd."""

from urllib.parse import urlsplit

from vaultferry.core.errors import InvalidSpec
from vaultferry.core.opened import Opened, access
from vaultferry.core.s3 import Service
from vaultferry.core.secrettype import SecretType
from vaultferry.formats import _ini

SUMMARY = "`.s3cfg`, the configuration of s3cmd"
LAYOUT = 1


def takes(kind: SecretType) -> bool:
    """Take what speaks S3."""
    return kind.s3 is not None


def render(opened: Opened) -> dict[str, bytes]:
    """Return the configuration."""
    key = access(opened)
    fields = key.named("access_key", "secret_key", "access_token")
    options: dict[str, str | None] = {
        **{option: _value(opened, field) for option, field in fields.items()},
        **_hosts(key.service),
        "bucket_location": key.service.region,
        "signature_v2": "False",
    }
    return {".s3cfg": _ini.section("default", options).encode()}


def _hosts(service: Service) -> dict[str, str]:
    url = urlsplit(service.endpoint or _of_aws(service.region))
    if url.path.strip("/"):
        raise InvalidSpec(
            "format s3cmd takes no spec.location.endpoint with a path: take it out of "
            "spec.target.formats"
        )
    return {
        "host_base": url.netloc,
        "host_bucket": url.netloc if service.path_style else f"%(bucket)s.{url.netloc}",
        "use_https": str(url.scheme == "https"),
    }


def _of_aws(region: str | None) -> str:
    if region is None:
        return "https://s3.amazonaws.com"
    china = ".cn" if region.startswith("cn-") else ""
    return f"https://s3.{region}.amazonaws.com{china}"


def _value(opened: Opened, field: str) -> str:
    text = _ini.value(opened, field)
    if text.startswith("$"):
        why = "s3cmd would read a variable of its environment where it begins with $"
        raise _ini.impossible(opened, field, why)
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return f'"{text}"' if quoted else text
