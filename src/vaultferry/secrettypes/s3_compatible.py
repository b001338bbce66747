"""An access key of any store that speaks S3."""

from vaultferry.secrettypes._s3 import access_key

TYPE = access_key("s3_compatible", "an access key for any store that speaks S3")
