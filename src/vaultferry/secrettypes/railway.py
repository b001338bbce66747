"""An access key of a Railway bucket, which Tigris keeps."""

from vaultferry.secrettypes._s3 import access_key, shaped

TYPE = access_key(
    "railway",
    "an access key for a Railway bucket",
    shaped(r"tid_.+", r"tsec_.+"),
)
