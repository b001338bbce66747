"""An access key of Wasabi."""

from vaultferry.secrettypes._s3 import access_key, shaped

TYPE = access_key(
    "wasabi",
    "an access key for Wasabi",
    shaped(r"[A-Z0-9]{20}", r"[A-Za-z0-9]{40}"),
)
