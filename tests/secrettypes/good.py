"""A made-up credential of the known shape for every type and method."""

import json
from base64 import b64encode

from tests.secrettypes.values import pair

HEX = "0123456789abcdef" * 4

_SERVICE_ACCOUNT = {
    "type": "service_account",
    "client_email": "canary@canary.iam.gserviceaccount.com",
    "private_key": "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n",
    "token_uri": "https://oauth2.googleapis.com/token",
}

GOOD: dict[tuple[str, str | None], dict[str, bytes]] = {
    ("azure_blob", "azure_account_key"): {
        "account_name": b"canary7",
        "account_key": b64encode(bytes(range(64))),
    },
    ("azure_blob", "azure_sas_url"): {
        "sas_url": b"https://canary7.blob.core.windows.net/box"
        b"?sv=2024-11-04&sr=c&sp=r&se=2099-01-01&sig=Y2FuYXJ5%3D"
    },
    ("b2", "b2_application_key"): {
        "application_key_id": f"00{HEX[:23]}".encode(),
        "application_key": b"K00" + b"5" * 28,
    },
    ("digitalocean_spaces", "digitalocean_spaces_access_key"): pair(
        "DO" + "D1" * 9, "d" * 43
    ),
    ("gcs", "gcs_service_account"): {
        "service_account_json": json.dumps(_SERVICE_ACCOUNT, indent=2).encode()
    },
    ("hetzner", "hetzner_access_key"): pair("H1" * 10, "hZ" * 20),
    ("opaque", None): {"any": b"any\n"},
    ("oracle_object_storage_s3", "oracle_object_storage_s3_access_key"): pair(
        HEX[:40], "b" * 43 + "="
    ),
    ("password", "password"): {"username": b"canary", "password": b"canary"},
    ("r2", "r2_access_key"): pair(HEX[:32], HEX),
    ("rabata", "rabata_access_key"): pair("any", "any"),
    ("railway", "railway_access_key"): pair("tid_canary", "tsec_canary"),
    ("s3", "s3_access_key"): pair("AKIA" + "Q2" * 8, "s/" * 20),
    ("s3_compatible", "s3_compatible_access_key"): pair("any", "any"),
    ("tigris", "tigris_access_key"): pair("tid_canary", "tsec_canary"),
    ("token", "token"): {"token": b"canary"},
    ("wasabi", "wasabi_access_key"): pair("W1" * 10, "wZ" * 20),
}
