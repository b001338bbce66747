"""The public keys in the cluster, where everybody reads them: one ConfigMap.

It holds a key for each suite that has one, under the suite's name, all of them of the
newest root key in the present epoch.
"""

from collections.abc import Mapping
from typing import Any

from vaultferry.core.answers import unavailable
from vaultferry.core.errors import PublicKeyInvalid
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import PublicKey
from vaultferry.core.suites import WITH_PUBLIC_KEY, Suite

NAME = "vaultferry-public-keys"


def published(keyring: Keyring) -> dict[str, str]:
    """Return the data of the ConfigMap."""
    return {suite: str(keyring.public_key(Suite(suite))) for suite in WITH_PUBLIC_KEY}


def patch(keyring: Keyring, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the JSON patch that makes the ConfigMap right; empty if it is.

    It fails where the ConfigMap is not the version that was read.

    Raises:
        ApiUnavailable: what was answered is no ConfigMap.
    """
    wanted = published(keyring)
    if body.get("data") == wanted:
        return []
    version = (body.get("metadata") or {}).get("resourceVersion")
    if version is None:
        raise unavailable()
    return [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
        {"op": "add", "path": "/data", "value": wanted},
    ]


def read(body: Mapping[str, Any], suite: Suite) -> PublicKey:
    """Return the public key of a suite.

    Raises:
        PublicKeyInvalid: it is not there, or is none.
    """
    text = (body.get("data") or {}).get(suite)
    if text is None:
        raise PublicKeyInvalid(
            f"ConfigMap {NAME} has no key for {suite}: the operator has not written it "
            "yet, or is of another version"
        )
    key = PublicKey.parse(text)
    if key.suite is not suite:
        raise PublicKeyInvalid(f"ConfigMap {NAME} has a key of another suite there")
    return key
