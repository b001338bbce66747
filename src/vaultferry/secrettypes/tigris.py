"""An access key of Tigris."""

from vaultferry.core.checks import Shape
from vaultferry.core.s3 import S3
from vaultferry.secrettypes._s3 import access_key, pair, shaped, unshaped

_ID = Shape(r"tid_.+", "beginning with tid_")
_SECRET = Shape(r"tsec_.+", "beginning with tsec_")

TYPE = access_key(
    "tigris",
    "an access key for Tigris",
    pair(
        shaped(_ID, _SECRET),
        remarks=(unshaped(_ID, _SECRET),),
    ),
    s3=S3("https://t3.storage.dev", region="auto"),
    location=("bucket", "endpoint"),
)
