"""What the module of a credential's type declares."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vaultferry.core.errors import (
    FieldMissing,
    FieldUnknown,
    InvalidSpec,
    ValueInvalid,
)


@dataclass(frozen=True)
class Fields:
    """The field names of one authentication method."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that may stand in the credential."""
        return self.required + self.optional


@dataclass(frozen=True)
class SecretType:
    """One value of `spec.type`.

    `methods` maps an authMethod to its fields, the default method first. A type
    without methods takes any keys that are legal in a Secret.
    """

    name: str
    summary: str
    kubernetes_type: str = "Opaque"
    methods: Mapping[str, Fields] = field(default_factory=dict)

    def check(self, method: str | None, values: Mapping[str, bytes]) -> None:
        """Check opened values against the fields of the type.

        The API server has checked the names already; this holds where it did not,
        and an empty value can be seen only here.

        Raises:
            FieldMissing: a required field is absent.
            FieldUnknown: a field does not belong to the type.
            InvalidSpec: the type has no such method.
            ValueInvalid: a value is empty.
        """
        fields = self.fields(method)
        if fields is not None:
            _check_names(self.name, fields, values)
        for name, value in sorted(values.items()):
            if not value:
                raise ValueInvalid(f"field {name} is empty: seal a value for it")

    def fields(self, method: str | None) -> Fields | None:
        """Return the fields of a method, of the first if None; None if any key goes.

        Raises:
            InvalidSpec: the type has no such method.
        """
        if not self.methods:
            return None
        chosen = method or next(iter(self.methods))
        if chosen not in self.methods:
            known = ", ".join(self.methods)
            raise InvalidSpec(f"type {self.name} takes spec.authMethod {known}")
        return self.methods[chosen]


def _check_names(type_name: str, fields: Fields, values: Mapping[str, bytes]) -> None:
    takes = f"type {type_name} takes {', '.join(fields.names)}"
    if missing := sorted(set(fields.required) - set(values)):
        raise FieldMissing(f"missing: {', '.join(missing)}; {takes}")
    if unknown := sorted(set(values) - set(fields.names)):
        raise FieldUnknown(f"unknown: {', '.join(unknown)}; {takes}")
