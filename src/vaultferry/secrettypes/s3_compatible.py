"""An access key of any store that speaks S3."""

from vaultferry.core.s3 import S3
from vaultferry.secrettypes._s3 import access_key, pair

TYPE = access_key(
    "s3_compatible",
    "an access key for any store that speaks S3",
    pair(),
    s3=S3(region="us-east-1", path_style=True),
    location=("addressingStyle", "bucket", "endpoint", "region"),
)
