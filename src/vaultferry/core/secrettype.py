"""What the module of a credential's type declares."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from vaultferry.core import expiry
from vaultferry.core.checks import Check, Remark, Values
from vaultferry.core.errors import (
    FieldMissing,
    FieldUnknown,
    InvalidSpec,
    ValueExpired,
    ValueInvalid,
)
from vaultferry.core.location import Location
from vaultferry.core.s3 import S3

End = Callable[[Values], float | None]
"""Returns when a credential expires, in seconds since 1970, where it says so."""


@dataclass(frozen=True)
class Fields:
    """The fields of one authentication method: their names, and what cannot be."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    remarks: tuple[Remark, ...] = ()
    end: End | None = None
    refused_after_end: bool = False
    """Whether nobody takes it after its end for sure."""

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
    location: tuple[str, ...] = ()
    """The settings of `spec.location` that it takes."""

    s3: S3 | None = None
    """How it speaks S3, if it does."""

    def check(self, method: str | None, values: Mapping[str, bytes]) -> None:
        """Check opened values against the fields of the type.

        The API server has checked the names already; this holds where it did not,
        and a value can be seen only here.

        Raises:
            FieldMissing: a required field is absent.
            FieldUnknown: a field does not belong to the type.
            InvalidSpec: the type has no such method.
            ValueInvalid: a value is empty, or contradicts its field or another one.
        """
        self.check_names(method, values)
        for name, value in sorted(values.items()):
            if not value:
                raise ValueInvalid(f"field {name} is empty: seal a value for it")
        fields = self.fields(method)
        for check in fields.checks if fields else ():
            check(values)

    def check_names(self, method: str | None, names: Collection[str]) -> None:
        """Check the names of the fields alone.

        Raises:
            FieldMissing: a required field is absent.
            FieldUnknown: a field does not belong to the type.
            InvalidSpec: the type has no such method.
        """
        fields = self.fields(method)
        if fields is None:
            return
        takes = f"type {self.name} takes {', '.join(fields.names)}"
        if missing := sorted(set(fields.required) - set(names)):
            raise FieldMissing(f"missing: {', '.join(missing)}; {takes}")
        if unknown := sorted(set(names) - set(fields.names)):
            raise FieldUnknown(f"unknown: {', '.join(unknown)}; {takes}")

    def remarks(self, method: str | None, values: Values) -> list[str]:
        """Return what looks unusual in checked values, and may be right all the same.

        A message has names and lengths, never a value.
        """
        fields = self.fields(method)
        found = (remark(values) for remark in (fields.remarks if fields else ()))
        return [words for remarks in found for words in remarks]

    def end(self, method: str | None, values: Values) -> float | None:
        """Return when checked values expire, in seconds since 1970, if they say so."""
        fields = self.fields(method)
        return fields.end(values) if fields and fields.end else None

    def check_end(self, method: str | None, values: Values, now: float) -> None:
        """Check that values, new ones, are not of a kind that is useless by now.

        Raises:
            ValueExpired: they are.
        """
        fields, end = self.fields(method), self.end(method, values)
        if end is None or end > now or not (fields and fields.refused_after_end):
            return
        raise ValueExpired(
            f"the credential expired at {expiry.text(end)}: seal a new one"
        )

    def check_location(self, location: Location) -> None:
        """Check that a location has only settings of the type.

        Raises:
            InvalidSpec: it has others.
        """
        if location.given().keys() - set(self.location):
            raise InvalidSpec(f"type {self.name} takes {self.takes_location}")

    @property
    def takes_location(self) -> str:
        """What may stand under `spec.location`, in words."""
        if not self.location:
            return "no spec.location: leave it out"
        return f"{', '.join(self.location)} under spec.location: leave out the others"

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
