"""An access key of Rabata, which publishes no shape."""

from vaultferry.core.s3 import S3
from vaultferry.secrettypes._s3 import access_key, pair

TYPE = access_key(
    "rabata",
    "an access key for Rabata",
    pair(),
    s3=S3("https://s3.{region}.rabata.io"),
    location=("bucket", "endpoint", "region"),
)
