"""An access key of DigitalOcean Spaces."""

from vaultferry.core.checks import Shape, no_token
from vaultferry.core.s3 import S3
from vaultferry.secrettypes._s3 import access_key, pair, shaped, unshaped

_ID = Shape(r"DO[A-Z0-9]{18}", "20 capitals and digits, beginning with DO")
_SECRET = Shape(r"[A-Za-z0-9+/]{43}", "43 characters of base64")

TYPE = access_key(
    "digitalocean_spaces",
    "an access key for DigitalOcean Spaces",
    pair(
        no_token("dop_v1_"),
        shaped(_ID, _SECRET),
        remarks=(unshaped(_ID, _SECRET),),
    ),
    s3=S3("https://{region}.digitaloceanspaces.com"),
    location=("bucket", "endpoint", "region"),
)
