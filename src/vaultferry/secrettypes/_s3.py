"""Access keys as S3 has them: an id and a secret, one method for each vendor."""

from vaultferry.core.checks import Check, one_line, told_apart
from vaultferry.core.secrettype import Fields, SecretType

_ID = "access_key_id"
_SECRET = "secret_access_key"  # noqa: S105 - a field's name


def access_key(
    name: str, summary: str, *checks: Check, optional: tuple[str, ...] = ()
) -> SecretType:
    """Return a type whose only method is `<name>_access_key`."""
    fields = Fields(
        required=(_ID, _SECRET),
        optional=optional,
        checks=(one_line, *checks),
    )
    return SecretType(
        name=name, summary=summary, methods={f"{name}_access_key": fields}
    )


def shaped(key_id: str, secret: str) -> Check:
    """Return a check that id and secret, of these shapes, are not mixed up."""
    return told_apart({_ID: key_id, _SECRET: secret})
