"""An access key of Cloudflare R2: the id of an API token, and a hash of its value."""

from vaultferry.core.checks import Shape, Values, no_token
from vaultferry.core.errors import ValueInvalid
from vaultferry.core.s3 import S3
from vaultferry.secrettypes._s3 import access_key, pair, shaped, unshaped

# R2 itself refuses any other length.
_ID_LENGTH = 32
_TOKEN_LENGTH = 40

_ID = Shape(r"[0-9a-f]{32}", "32 hexadecimal digits")
_SECRET = Shape(r"[0-9a-f]{64}", "64 hexadecimal digits")


def _check_lengths(values: Values) -> None:
    if (length := len(values["access_key_id"])) != _ID_LENGTH:
        raise ValueInvalid(
            f"field access_key_id has {length} bytes, and R2 takes {_ID_LENGTH}: seal "
            "the access key id, not the API token"
        )
    if len(values["secret_access_key"]) == _TOKEN_LENGTH:
        raise ValueInvalid(
            f"field secret_access_key has {_TOKEN_LENGTH} bytes, as an API token has: "
            "seal the secret access key"
        )


TYPE = access_key(
    "r2",
    "an access key for Cloudflare R2",
    pair(
        no_token("cfut_", "cfat_"),
        shaped(_ID, _SECRET),
        _check_lengths,
        remarks=(unshaped(_ID, _SECRET),),
    ),
    s3=S3("https://{account}.r2.cloudflarestorage.com", region="auto"),
    location=("account", "bucket", "endpoint"),
)
