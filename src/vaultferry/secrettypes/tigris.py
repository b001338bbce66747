"""An access key of Tigris."""

from vaultferry.secrettypes._s3 import access_key, shaped

TYPE = access_key(
    "tigris",
    "an access key for Tigris",
    shaped(r"tid_.+", r"tsec_.+"),
)
