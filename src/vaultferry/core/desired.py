"""From a resource and its values to the Secret that ought to exist."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vaultferry.core.errors import KeyInvalid, TooLarge
from vaultferry.core.metadata import check_allowed
from vaultferry.core.model import GROUP, is_key
from vaultferry.core.model import VERSION as API_VERSION
from vaultferry.core.secret import Desired
from vaultferry.core.vaultsecret import KIND, Spec, VaultSecret

# A Secret may hold 1 MiB, its metadata and encoding included.
MAX_DATA = 900 * 1024


@dataclass(frozen=True, repr=False)
class Credential:
    """The values of one attempt and how they count; no `repr`, it holds values."""

    data: Mapping[str, bytes]
    version: int
    fingerprint: str


def target_name(resource: VaultSecret, spec: Spec) -> str:
    """Return the name of the Secret."""
    return spec.target.name or resource.name


def secret(
    resource: VaultSecret,
    spec: Spec,
    kubernetes_type: str,
    credential: Credential,
) -> Desired:
    """Return the Secret that realises the resource.

    Args:
        resource: the resource, for its identity.
        spec: its spec.
        kubernetes_type: the type that the credential's type has by default.
        credential: the rendered data, its version and fingerprint.
    """
    owned = spec.target.creation_policy == "Owner"
    return Desired(
        namespace=resource.namespace,
        name=target_name(resource, spec),
        type=spec.target.type or kubernetes_type,
        data=credential.data,
        labels=spec.target.labels,
        annotations=spec.target.annotations,
        owner=resource.owner,
        owner_reference=_owner_reference(resource) if owned else None,
        owner_uid=resource.uid,
        version=credential.version,
        fingerprint=credential.fingerprint,
    )


def check_metadata(spec: Spec, prefixes: Iterable[str]) -> None:
    """Check the labels and annotations that the spec wants.

    Raises:
        MetadataNotAllowed: one of them is not allowed.
    """
    check_allowed([*spec.target.labels, *spec.target.annotations], prefixes)


def check_data(data: Mapping[str, bytes]) -> None:
    """Check that rendered data fits into a Secret.

    Raises:
        KeyInvalid: a key is not legal there.
        TooLarge: the data is over the limit.
    """
    for key in sorted(data):
        if not is_key(key):
            raise KeyInvalid(
                f"key {key[:64]} is not legal in a Secret: use letters, digits, "
                "-, _ and . (at most 253, not beginning with ..)"
            )
    size = sum(len(key) + len(value) for key, value in data.items())
    if size > MAX_DATA:
        raise TooLarge(
            f"the data has {size} bytes, at most {MAX_DATA} fit: split the credential"
        )


def _owner_reference(resource: VaultSecret) -> dict[str, object]:
    return {
        "apiVersion": f"{GROUP}/{API_VERSION}",
        "kind": KIND,
        "name": resource.name,
        "uid": resource.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
