"""An access key of DigitalOcean Spaces."""

from vaultferry.core.checks import Shape, no_token
from vaultferry.secrettypes._s3 import access_key, shaped, unshaped

_ID = Shape(r"DO[A-Z0-9]{18}", "20 capitals and digits, beginning with DO")
_SECRET = Shape(r"[A-Za-z0-9+/]{43}", "43 characters of base64")

TYPE = access_key(
    "digitalocean_spaces",
    "an access key for DigitalOcean Spaces",
    no_token("dop_v1_"),
    shaped(_ID, _SECRET),
    remarks=(unshaped(_ID, _SECRET),),
)
