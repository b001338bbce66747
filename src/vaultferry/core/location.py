"""Where a credential is used: settings that are not secret."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from vaultferry.core.model import Model

# No user, password or query: whoever writes the manifest does not put a secret here.
ENDPOINT = r"^https?://[a-zA-Z0-9.-]+(:[0-9]{1,5})?(/[a-zA-Z0-9._~-]+)*/?$"

_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


def _checked(endpoint: str) -> str:
    if "\n" in endpoint or not re.match(ENDPOINT, endpoint):
        raise ValueError
    return endpoint


Label = Annotated[str, Field(min_length=1, max_length=63, pattern=_LABEL)]
Endpoint = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_checked)]


class Location(Model):
    """Where the credential is used. Not encrypted: never put a credential here."""

    account: Label | None = None
    """The account id that is part of the address (`r2`)."""

    addressing_style: Literal["path", "virtual"] | None = None
    """Whether the bucket stands in the path or in the host name of an address."""

    bucket: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=222,
                pattern=r"^[a-zA-Z0-9$][a-zA-Z0-9._-]*$",
            ),
        ]
        | None
    ) = None
    """The bucket, or the container of `azure_blob`."""

    endpoint: Endpoint | None = None
    """The address of the service, `https://host[:port]`; default by type."""

    namespace: Label | None = None
    """The namespace of the tenancy (`oracle_object_storage_s3`)."""

    region: Label | None = None
    """The region or location."""

    registry: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=253,
                pattern=r"^(https?://)?[a-zA-Z0-9.-]+(:[0-9]{1,5})?(/[a-zA-Z0-9._~/-]*)?$",
            ),
        ]
        | None
    ) = None
    """The image registry (`password`), as image names have it."""

    def given(self) -> dict[str, str]:
        """Return the settings that are there, by their names in the spec."""
        given: dict[str, str] = self.model_dump(by_alias=True, exclude_none=True)
        return given


SETTINGS = tuple(
    sorted(field.alias or name for name, field in Location.model_fields.items())
)
"""The names of all settings."""
