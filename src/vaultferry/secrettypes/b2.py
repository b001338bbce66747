"""An application key of Backblaze B2."""

from vaultferry.core.checks import Shape, one_line, told_apart, unlike
from vaultferry.core.s3 import S3
from vaultferry.core.secrettype import Fields, SecretType

_SHAPES = {
    "application_key_id": Shape(
        r"00[0-9][0-9a-f]{22}", "25 hexadecimal digits, of which the first two are 0"
    ),
    "application_key": Shape(
        r"K00[0-9][A-Za-z0-9+/_-]{27}", "31 characters, beginning with K00"
    ),
}

TYPE = SecretType(
    name="b2",
    summary="an application key for Backblaze B2",
    methods={
        "b2_application_key": Fields(
            required=("application_key_id", "application_key"),
            checks=(one_line, told_apart(_SHAPES)),
            remarks=(unlike(_SHAPES),),
        )
    },
    location=("bucket", "endpoint", "region"),
    s3=S3(
        "https://s3.{region}.backblazeb2.com",
        key_id="application_key_id",
        secret_key="application_key",  # noqa: S106 - a field's name
    ),
)
