"""An application key of Backblaze B2."""

from vaultferry.core.checks import one_line, told_apart
from vaultferry.core.secrettype import Fields, SecretType

_CHECKS = (
    one_line,
    told_apart(
        {
            "application_key_id": r"00[0-9][0-9a-f]{22}",
            "application_key": r"K00[0-9][A-Za-z0-9+/_-]{27}",
        }
    ),
)

TYPE = SecretType(
    name="b2",
    summary="an application key for Backblaze B2",
    methods={
        "b2_application_key": Fields(
            required=("application_key_id", "application_key"), checks=_CHECKS
        )
    },
)
