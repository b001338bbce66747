"""An access key of AWS, permanent (AKIA) or temporary (ASIA, with a session token)."""

import re

from vaultferry.core.checks import Shape, Values, unlike
from vaultferry.core.errors import ValueInvalid
from vaultferry.core.s3 import S3
from vaultferry.secrettypes._s3 import access_key, pair, shaped, unshaped

_ID = Shape(
    r"(AKIA|ASIA)[A-Z2-7]{16}", "20 capitals and digits, beginning with AKIA or ASIA"
)
_SECRET = Shape(r"[A-Za-z0-9/+]{40}", "40 characters of base64")
_TOKEN = Shape(r"[A-Za-z0-9+/=]{100,}", "100 characters of base64 or more")
_OF_NO_KEY = re.compile(rb"A(ROA|IDA)[A-Z2-7]{16,}")


def _check_kind(values: Values) -> None:
    key_id = values["access_key_id"]
    if _OF_NO_KEY.fullmatch(key_id):
        raise ValueInvalid(
            f"field access_key_id has {len(key_id)} bytes that are the id of a role or "
            "user: seal the id of an access key (AKIA or ASIA)"
        )


def _check_session(values: Values) -> None:
    kind, has_token = values["access_key_id"][:4], "session_token" in values
    if kind == b"ASIA" and not has_token:
        raise ValueInvalid(
            "field access_key_id is of a temporary key (ASIA): seal its session_token "
            "too, or a permanent key (AKIA)"
        )
    if kind == b"AKIA" and has_token:
        raise ValueInvalid(
            "field access_key_id is of a permanent key (AKIA), which has no "
            "session_token: leave that out, or seal the key it came with (ASIA)"
        )


TYPE = access_key(
    "s3",
    "an access key for Amazon S3",
    pair(
        shaped(_ID, _SECRET),
        _check_kind,
        _check_session,
        remarks=(unshaped(_ID, _SECRET), unlike({"session_token": _TOKEN})),
        optional=("session_token",),
    ),
    s3=S3(is_aws=True),
    location=("bucket", "endpoint", "region"),
)
