"""Any keys that are legal in a Secret."""

from vaultferry.core.secrettype import SecretType

TYPE = SecretType(name="opaque", summary="any keys that are legal in a Secret")
