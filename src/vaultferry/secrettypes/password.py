"""A user name and its password."""

from vaultferry.core.secrettype import Fields, SecretType

TYPE = SecretType(
    name="password",
    summary="a user name and its password",
    kubernetes_type="kubernetes.io/basic-auth",
    methods={"password": Fields(required=("username", "password"))},
    location=("registry",),
)
