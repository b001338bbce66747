"""How a type speaks S3: what its module declares, and what follows from a location."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter

from vaultferry.core.errors import InvalidSpec
from vaultferry.core.location import Location


@dataclass(frozen=True)
class Service:
    """Where and how a client finds the service."""

    endpoint: str | None
    """None where clients know it by themselves."""

    region: str | None
    path_style: bool
    is_aws: bool


@dataclass(frozen=True)
class S3:
    """What the S3 of a vendor is like."""

    endpoint: str | None = None
    """Its address, with settings of the location in braces; None: has to be given."""

    region: str | None = None
    """The region to sign for where the location has none; None: has to be given."""

    path_style: bool = False
    """Whether the bucket stands in the path of an address, not in its host name."""

    is_aws: bool = False
    """Whether clients know the addresses by themselves."""

    key_id: str = "access_key_id"
    secret_key: str = "secret_access_key"  # noqa: S105 - a field's name

    @property
    def needs(self) -> frozenset[str]:
        """The settings that the address is made of."""
        return _named(self.endpoint or "")

    def settings(self, location: Location) -> dict[str, str]:
        """Return the settings of a location, with what follows from them."""
        style = {"addressingStyle": "path" if self.path_style else "virtual"}
        region = {"region": self.region} if self.region else {}
        known = style | region | location.given()
        if "endpoint" not in known and self.endpoint and self.needs <= known.keys():
            known["endpoint"] = self.endpoint.format_map(known)
        return known

    def service(self, type_name: str, location: Location) -> Service:
        """Return where the service is.

        Raises:
            InvalidSpec: the location lacks a setting.
        """
        known = self.settings(location)
        if not self.is_aws and (missing := self._missing(known)):
            names = ", ".join(f"spec.location.{name}" for name in sorted(missing))
            raise InvalidSpec(
                f"type {type_name} needs {names} for what spec.target asks for: set it"
            )
        return Service(
            endpoint=known.get("endpoint"),
            region=known.get("region"),
            path_style=known["addressingStyle"] == "path",
            is_aws=self.is_aws,
        )

    def _missing(self, known: Mapping[str, str]) -> set[str]:
        address = set() if "endpoint" in known else self.needs or {"endpoint"}
        return {"region", *address} - known.keys()


def _named(text: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name)
