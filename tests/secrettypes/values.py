"""Made-up values of credentials, and what a type says of those that cannot be."""

import pytest

from vaultferry.core.errors import ValueInvalid
from vaultferry.core.secrettype import SecretType

HEX = "0123456789abcdef" * 4


def pair(key_id: str, secret: str, **more: str) -> dict[str, bytes]:
    """Return an access key."""
    values = {"access_key_id": key_id, "secret_access_key": secret, **more}
    return {name: value.encode() for name, value in values.items()}


def refusal(
    kind: SecretType, values: dict[str, bytes], method: str | None = None
) -> str:
    """Check values, which must be refused without being quoted; return the words."""
    with pytest.raises(ValueInvalid) as caught:
        kind.check(method, values)
    said = str(caught.value)
    assert not [value for value in values.values() if value.decode() in said]
    return said
