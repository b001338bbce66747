"""An access key of Hetzner Object Storage."""

from vaultferry.secrettypes._s3 import access_key, shaped

TYPE = access_key(
    "hetzner",
    "an access key for Hetzner Object Storage",
    shaped(r"[A-Z0-9]{20}", r"[A-Za-z0-9]{40}"),
)
