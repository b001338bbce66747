"""An access key of Hetzner Object Storage."""

from vaultferry.core.checks import Shape
from vaultferry.core.s3 import S3
from vaultferry.secrettypes._s3 import access_key, pair, shaped, unshaped

_ID = Shape(r"[A-Z0-9]{20}", "20 capitals and digits")
_SECRET = Shape(r"[A-Za-z0-9]{40}", "40 letters and digits")

TYPE = access_key(
    "hetzner",
    "an access key for Hetzner Object Storage",
    pair(
        shaped(_ID, _SECRET),
        remarks=(unshaped(_ID, _SECRET),),
    ),
    s3=S3("https://{region}.your-objectstorage.com"),
    location=("bucket", "endpoint", "region"),
)
