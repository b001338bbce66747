"""A configuration of rclone: `remote`, and `bucket` where the location has one."""

import json
import re

from vaultferry.core.errors import ValueInvalid
from vaultferry.core.opened import Opened, access
from vaultferry.core.secrettype import SecretType
from vaultferry.formats import _ini

SUMMARY = (
    "`rclone.conf` with the remote `remote`, and the remote `bucket` if the location "
    "has one"
)
LAYOUT = 1

# What rclone knows the peculiarities of. It does not force the path style on all.
_PROVIDERS = {
    "digitalocean_spaces": "DigitalOcean",
    "hetzner": "Hetzner",
    "r2": "Cloudflare",
    "rabata": "Rabata",
    "s3": "AWS",
    "wasabi": "Wasabi",
}
_OTHER = "Other"

_VARIABLE = re.compile(r"%\([^)]+\)s")
_REPLACED = "rclone would put another option where it has %( and )s"
_QUOTED = ("`", '"""')

_Options = dict[str, str | None]


def takes(kind: SecretType) -> bool:
    """Take every type of object storage."""
    return kind.s3 is not None or kind.name in {"azure_blob", "gcs"}


def render(opened: Opened) -> dict[str, bytes]:
    """Return the configuration."""
    text = _ini.section("remote", _remote(opened))
    if bucket := opened.location.bucket:
        alias = {"type": "alias", "remote": f"remote:{bucket}"}
        text += "\n" + _ini.section("bucket", alias)
    return {"rclone.conf": text.encode()}


def _remote(opened: Opened) -> _Options:
    match opened.kind.name:
        case "azure_blob":
            return _azure(opened)
        case "b2":
            return _b2(opened)
        case "gcs":
            return _gcs(opened)
        case _:
            return _s3(opened)


def _s3(opened: Opened) -> _Options:
    key = access(opened)
    provider = _PROVIDERS.get(opened.kind.name, _OTHER)
    fields = key.named("access_key_id", "secret_access_key", "session_token")
    path_style = str(key.service.path_style).lower()
    return {
        "type": "s3",
        "provider": provider,
        **{option: _value(opened, field) for option, field in fields.items()},
        "region": key.service.region,
        "endpoint": key.service.endpoint,
        "force_path_style": path_style if provider == _OTHER else None,
        # The usual token of R2 may not ask whether its bucket is there.
        "no_check_bucket": "true" if provider == "Cloudflare" else None,
    }


def _b2(opened: Opened) -> _Options:
    return {
        "type": "b2",
        "account": _value(opened, "application_key_id"),
        "key": _value(opened, "application_key"),
    }


def _azure(opened: Opened) -> _Options:
    fields = {"account": "account_name", "key": "account_key", "sas_url": "sas_url"}
    return {
        "type": "azureblob",
        **{o: _value(opened, f) for o, f in fields.items() if f in opened.values},
        "endpoint": opened.location.endpoint,
    }


def _gcs(opened: Opened) -> _Options:
    field = "service_account_json"
    key = _parsed(opened.text(field))
    if key is None:
        raise ValueInvalid(
            f"field {field} has {len(opened.values[field])} bytes that are no JSON"
        )
    text = json.dumps(key, separators=(",", ":"))
    if _VARIABLE.search(text):
        raise _ini.impossible(opened, field, _REPLACED)
    return {"type": "google cloud storage", "service_account_credentials": text}


def _value(opened: Opened, field: str) -> str:
    text = _ini.value(opened, field)
    if _VARIABLE.search(text):
        raise _ini.impossible(opened, field, _REPLACED)
    return f'"""{text}"""' if text.startswith(_QUOTED) else text


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
