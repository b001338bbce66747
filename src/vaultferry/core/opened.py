"""A credential that was opened: what formats and templates lay out."""

from collections.abc import Mapping
from dataclasses import dataclass

from vaultferry.core.errors import ValueInvalid
from vaultferry.core.location import Location
from vaultferry.core.s3 import S3, Service
from vaultferry.core.secrettype import SecretType

_NOWHERE = Location()
_TOKEN = "session_token"  # noqa: S105 - a field's name


@dataclass(frozen=True, repr=False)
class Opened:
    """The values of a credential with its type and location; no `repr` for them."""

    kind: SecretType
    values: Mapping[str, bytes]
    location: Location = _NOWHERE

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings of the location, with what follows from them by the type."""
        if self.kind.s3 is None:
            return self.location.given()
        return self.kind.s3.settings(self.location)

    def text(self, field: str) -> str:
        """Return the value of a field as text.

        Raises:
            ValueInvalid: it is none.
        """
        value = self.values[field]
        text = _decoded(value)
        if text is None:
            raise ValueInvalid(
                f"field {field} has {len(value)} bytes that are not UTF-8, which "
                "spec.target.formats or spec.target.template needs there"
            )
        return text

    def texts(self) -> dict[str, str]:
        """Return the values as text, by field in order.

        Raises:
            ValueInvalid: one of them is none.
        """
        return {field: self.text(field) for field in sorted(self.values)}


@dataclass(frozen=True)
class Access:
    """An access key of S3: the names of its fields, and where it is used."""

    key_id: str
    secret_key: str
    session_token: str | None
    service: Service

    def named(self, key_id: str, secret_key: str, session_token: str) -> dict[str, str]:
        """Return the field for each of these names, as far as it is there."""
        token = {session_token: self.session_token} if self.session_token else {}
        return {key_id: self.key_id, secret_key: self.secret_key, **token}


def access(opened: Opened) -> Access:
    """Return what a client of S3 needs.

    Raises:
        InvalidSpec: the location lacks a setting.
    """
    s3 = opened.kind.s3 or S3()
    return Access(
        key_id=s3.key_id,
        secret_key=s3.secret_key,
        session_token=_TOKEN if _TOKEN in opened.values else None,
        service=s3.service(opened.kind.name, opened.location),
    )


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
