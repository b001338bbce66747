"""A customer secret key of Oracle, whose halves nobody tells apart for sure."""

from vaultferry.secrettypes._s3 import access_key

TYPE = access_key(
    "oracle_object_storage_s3", "a customer secret key for Oracle Object Storage"
)
