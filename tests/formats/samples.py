"""Made-up credentials of every type: all fields, and a location of all settings."""

import base64
import hashlib
import json
from collections.abc import Mapping

from vaultferry import secrettypes
from vaultferry.core.location import Location
from vaultferry.core.opened import Opened
from vaultferry.core.secrettype import SecretType
from vaultferry.formats import Format

Values = dict[str, str | bytes]

VALUES = {
    "sas_url": "https://shop.blob.core.windows.net/backup?sv=2026-01-01&sig=a%2Bb%3D",
    "service_account_json": '{"type": "service_account",\n"project_id": "shop"}\n',
}

SETTINGS = {
    "account": "0123456789abcdef0123456789abcdef",
    "addressingStyle": "path",
    "bucket": "some-bucket",
    "endpoint": "https://storage.example.com:8443",
    "namespace": "axaxnpcrorw5",
    "region": "eu-north-7",
    "registry": "ghcr.io",
}

# Adding a type changes no number; so these are named.
PINNED = (
    "azure_blob with azure_account_key",
    "azure_blob with azure_sas_url",
    "b2 with b2_application_key",
    "gcs with gcs_service_account",
    "hetzner with hetzner_access_key",
    "opaque",
    "oracle_object_storage_s3 with oracle_object_storage_s3_access_key",
    "password with password",
    "r2 with r2_access_key",
    "s3 with s3_access_key",
    "s3_compatible with s3_compatible_access_key",
    "tigris with tigris_access_key",
)


def opened(
    type_name: str,
    location: Mapping[str, str] | None = None,
    method: str | None = None,
    /,
    **values: str | bytes,
) -> Opened:
    """Return a credential, with made-up values for fields that are not given.

    Its location has all settings but an endpoint, unless another is given.
    """
    kind = secrettypes.load(type_name)
    fields = kind.fields(method)
    names = fields.names if fields else ("user", "key")
    made_up: Values = {name: VALUES.get(name, f"made-up-{name}") for name in names}
    bare = made_up | values if fields or not values else values
    if location is None:
        location = settings(kind)
    return Opened(
        kind,
        {
            name: value if isinstance(value, bytes) else value.encode()
            for name, value in bare.items()
        },
        Location.model_validate(location),
    )


def settings(kind: SecretType) -> dict[str, str]:
    """Return made-up settings for a type; its endpoint follows where it can."""
    taken = {name: SETTINGS[name] for name in kind.location}
    if kind.s3 and kind.s3.endpoint:
        taken.pop("endpoint")
    return taken


def _all() -> dict[str, Opened]:
    found = {}
    for name in secrettypes.names():
        for method in secrettypes.load(name).methods:
            found[f"{name} with {method}"] = opened(name, None, method)
        if not secrettypes.load(name).methods:
            found[name] = opened(name)
    return found


SAMPLES = _all()


def pin(wanted: Format) -> str:
    """Return the layout number of a format with a digest of what it writes."""
    rendered = [
        {key: base64.b64encode(data).decode() for key, data in made.items()}
        for made in (
            wanted.render(SAMPLES[name])
            for name in PINNED
            if wanted.takes(SAMPLES[name].kind)
        )
    ]
    text = json.dumps(rendered, sort_keys=True)
    return f"{wanted.LAYOUT}:{hashlib.sha256(text.encode()).hexdigest()[:8]}"
