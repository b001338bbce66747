"""What is worked on: keys, values, and the manifests that hold them."""

import base64
import random
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.client import Body, Client, each
from tests.controlplane import ControlPlane
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Place, PublicKey, Scope
from vaultferry.core.vaultsecret import MAX_SEALED

NAMESPACES = 10
LARGE_FIELDS = 12
KIND = {"apiVersion": "vaultferry.dev/v1alpha1", "kind": "VaultSecret"}

_SHORTEST, _LONGEST = 16, 40
_VAULTSECRETS = "/apis/vaultferry.dev/v1alpha1"


class Key(NamedTuple):
    """Namespace and name of an object."""

    namespace: str
    name: str


def keys(purpose: str, count: int, namespaces: int = NAMESPACES) -> list[Key]:
    """Return keys, spread evenly over namespaces that nothing else has."""
    run = secrets.token_hex(3)
    spaces = [f"bench-{purpose}-{run}-{number}" for number in range(namespaces)]
    return [Key(spaces[at % namespaces], f"db-{at}") for at in range(count)]


def namespaces(chosen: Iterable[Key]) -> list[str]:
    """Return the namespaces of keys."""
    return sorted({key.namespace for key in chosen})


def values(chance: random.Random) -> dict[str, bytes]:
    """Return the two values of a small object."""
    sizes = {name: chance.randint(_SHORTEST, _LONGEST) for name in ("user", "password")}
    return {name: chance.randbytes(size) for name, size in sizes.items()}


def large_values(chance: random.Random) -> dict[str, bytes]:
    """Return the values of an object whose tokens have the largest legal size."""
    # A token is the base64 of the value and some 150 characters more.
    size = (MAX_SEALED // LARGE_FIELDS - 200) * 3 // 4
    return {f"field-{at:02}": chance.randbytes(size) for at in range(LARGE_FIELDS)}


def sealed(
    public_key: PublicKey, key: Key, content: Mapping[str, bytes]
) -> dict[str, str]:
    """Return strict tokens for an object's fields."""
    return {
        field: public_key.seal(
            value, Scope.STRICT, Place(key.namespace, key.name, field)
        )
        for field, value in content.items()
    }


def vaultsecret(
    keyring: Keyring, key: Key, content: Mapping[str, bytes]
) -> dict[str, Any]:
    """Return the manifest of a VaultSecret."""
    tokens = sealed(keyring.public_key(), key, content)
    return {
        **KIND,
        "metadata": {"name": key.name, "namespace": key.namespace},
        "spec": {"type": "opaque", "sealed": tokens},
    }


def encoded(content: Mapping[str, bytes]) -> dict[str, str]:
    """Return values as they stand in a Secret."""
    return {name: base64.b64encode(value).decode() for name, value in content.items()}


def collection(namespace: str | None = None) -> str:
    """Return the path of the VaultSecrets, of all namespaces or one."""
    inside = f"/namespaces/{namespace}" if namespace else ""
    return f"{_VAULTSECRETS}{inside}/vaultsecrets"


def secrets_of(namespace: str) -> str:
    """Return the path of a namespace's Secrets."""
    return f"/api/v1/namespaces/{namespace}/secrets"


async def create_namespaces(admin: Client, names: Iterable[str]) -> None:
    """Create namespaces."""
    for name in names:
        await admin.create("/api/v1/namespaces", {"metadata": {"name": name}})


async def create(admin: Client, manifests: Sequence[Mapping[str, Any]]) -> list[Body]:
    """Create VaultSecrets; return their metadata, in the same order."""
    metadata: list[Body] = [{}] * len(manifests)

    async def one(at: int) -> None:
        place = collection(manifests[at]["metadata"]["namespace"])
        made = await admin.create(place, manifests[at])
        metadata[at] = made["metadata"]

    await each(range(len(manifests)), one)
    return metadata


def remove(plane: ControlPlane, names: Sequence[str]) -> None:
    """Delete namespaces and wait until nothing is left of them."""
    plane.kubectl("delete", "namespace", *names, "--ignore-not-found")
