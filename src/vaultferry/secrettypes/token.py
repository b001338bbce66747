"""One bearer token or API key."""

from vaultferry.core.secrettype import Fields, SecretType

TYPE = SecretType(
    name="token",
    summary="one bearer token or API key",
    methods={"token": Fields(required=("token",))},
)
