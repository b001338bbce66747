"""The login to an image registry, as the kubelet and Docker read it."""

import base64
import json

from vaultferry.core.errors import InvalidSpec, ValueInvalid
from vaultferry.core.opened import Opened
from vaultferry.core.secrettype import SecretType

SUMMARY = "`.dockerconfigjson`: the login to the registry of the location"
LAYOUT = 1


def takes(kind: SecretType) -> bool:
    """Take a user name and its password."""
    return kind.name == "password"


def render(opened: Opened) -> dict[str, bytes]:
    """Return the configuration."""
    registry = opened.location.registry
    if registry is None:
        raise InvalidSpec(
            "format dockerconfigjson needs spec.location.registry: set it to the name "
            "of the registry, such as ghcr.io or https://index.docker.io/v1/"
        )
    username, password = opened.text("username"), opened.text("password")
    if ":" in username:
        raise ValueInvalid(
            f"field username has {len(opened.values['username'])} bytes with a : among "
            "them, which no registry takes"
        )
    both = base64.b64encode(f"{username}:{password}".encode()).decode()
    login = {"auth": both, "password": password, "username": username}
    return {".dockerconfigjson": json.dumps({"auths": {registry: login}}).encode()}
