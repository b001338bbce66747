"""An access key of DigitalOcean Spaces."""

from vaultferry.core.checks import no_token
from vaultferry.secrettypes._s3 import access_key, shaped

TYPE = access_key(
    "digitalocean_spaces",
    "an access key for DigitalOcean Spaces",
    no_token("dop_v1_"),
    shaped(r"DO[A-Z0-9]{18}", r"[A-Za-z0-9+/]{43}"),
)
