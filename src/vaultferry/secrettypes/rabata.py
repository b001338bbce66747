"""An access key of Rabata, which publishes no shape."""

from vaultferry.secrettypes._s3 import access_key

TYPE = access_key("rabata", "an access key for Rabata")
