"""A customer secret key of Oracle, whose halves nobody tells apart for sure."""

from collections.abc import Iterator

from vaultferry.core.checks import Shape, Values, unusual
from vaultferry.core.s3 import S3
from vaultferry.secrettypes._s3 import access_key, pair

_KEY = Shape(r"[0-9a-f]{40}", "40 hexadecimal digits")
_SECRET = Shape(r"[A-Za-z0-9+/]{43}=", "44 characters of base64")


def _remark(values: Values) -> Iterator[str]:
    """Remark where neither order fits: Oracle's own examples show both."""
    pair = values["access_key_id"], values["secret_access_key"]
    shapes = (_KEY, _SECRET)
    for order in (pair, pair[::-1]):
        if all(shape.fits(v) for shape, v in zip(shapes, order, strict=True)):
            return
    yield unusual("access_key_id", values, _KEY.words)
    yield unusual("secret_access_key", values, _SECRET.words)


TYPE = access_key(
    "oracle_object_storage_s3",
    "a customer secret key for Oracle Object Storage",
    pair(
        remarks=(_remark,),
    ),
    s3=S3(
        "https://{namespace}.compat.objectstorage.{region}.oraclecloud.com",
        path_style=True,
    ),
    location=("bucket", "endpoint", "namespace", "region"),
)
