"""The types of credentials: each module declares one as `TYPE`."""

from typing import cast

from vaultferry import plugins
from vaultferry.core.errors import InvalidSpec
from vaultferry.core.secrettype import SecretType


def names() -> tuple[str, ...]:
    """Return every value of `spec.type`."""
    return plugins.names(__name__)


def load(name: str) -> SecretType:
    """Return the type of that name.

    Raises:
        InvalidSpec: this version has no such type.
    """
    try:
        return cast("SecretType", plugins.load(__name__, name).TYPE)
    except LookupError:
        raise InvalidSpec("spec.type is not known to this version") from None
