"""An access key of Wasabi."""

from vaultferry.core.checks import Shape
from vaultferry.core.s3 import S3
from vaultferry.secrettypes._s3 import access_key, pair, shaped, unshaped

_ID = Shape(r"[A-Z0-9]{20}", "20 capitals and digits")
_SECRET = Shape(r"[A-Za-z0-9]{40}", "40 letters and digits")

TYPE = access_key(
    "wasabi",
    "an access key for Wasabi",
    pair(
        shaped(_ID, _SECRET),
        remarks=(unshaped(_ID, _SECRET),),
    ),
    s3=S3("https://s3.{region}.wasabisys.com"),
    location=("bucket", "endpoint", "region"),
)
