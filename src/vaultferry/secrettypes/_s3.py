"""Access keys as S3 has them: an id and a secret, one method for each vendor."""

from vaultferry.core.checks import Check, Remark, Shape, one_line, told_apart, unlike
from vaultferry.core.s3 import S3
from vaultferry.core.secrettype import Fields, SecretType

_ID = "access_key_id"
_SECRET = "secret_access_key"  # noqa: S105 - a field's name


def access_key(
    name: str, summary: str, fields: Fields, *, s3: S3, location: tuple[str, ...]
) -> SecretType:
    """Return a type whose only method is `<name>_access_key`."""
    return SecretType(
        name=name,
        summary=summary,
        methods={f"{name}_access_key": fields},
        location=location,
        s3=s3,
    )


def pair(
    *checks: Check, remarks: tuple[Remark, ...] = (), optional: tuple[str, ...] = ()
) -> Fields:
    """Return the fields of an id with its secret."""
    return Fields(
        required=(_ID, _SECRET),
        optional=optional,
        checks=(one_line, *checks),
        remarks=remarks,
    )


def shaped(key_id: Shape, secret: Shape) -> Check:
    """Return a check that id and secret, of these shapes, are not mixed up."""
    return told_apart({_ID: key_id, _SECRET: secret})


def unshaped(key_id: Shape, secret: Shape) -> Remark:
    """Return a remark on an id or a secret that is not of its shape."""
    return unlike({_ID: key_id, _SECRET: secret})
