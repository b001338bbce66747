"""What rotation does to one VaultSecret in the cluster.

Only what nobody else keeps is rewritten: where somebody has the tokens in Git, and
applies them again, the old ones would come back. The API server remembers who set
`spec.sealed`, which is one field to it; what the webhook sets belongs to nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Place, key_ids

MANAGER = "vaultferry-rotate"

_OURS = frozenset({MANAGER, "vaultferry"})


@dataclass(frozen=True)
class Rewrite:
    """Exchange tokens, by a merge patch that fails where the resource has moved."""

    patch: Mapping[str, Any]


@dataclass(frozen=True)
class Leave:
    """Somebody else keeps the tokens: their manifest has to be resealed."""

    managers: tuple[str, ...]


def needed(keyring: Keyring, body: Mapping[str, Any]) -> Rewrite | Leave | None:
    """Return what is to be done for a VaultSecret; None if nothing.

    Args:
        keyring: the root keys, of which the newest is to seal.
        body: the VaultSecret as the API server has it, managed fields included.

    Raises:
        Failure: one of its tokens does not open there.
    """
    metadata = body["metadata"]
    sealed = (body.get("spec") or {}).get("sealed") or {}
    is_going = "deletionTimestamp" in metadata
    if is_going or set(key_ids(sealed)) <= {keyring.key_id}:
        return None
    if others := _managers(metadata) - _OURS:
        return Leave(tuple(sorted(others)))
    namespace, name = metadata["namespace"], metadata["name"]
    tokens = {
        field: keyring.resealed(token, Place(namespace, name, field))
        for field, token in sealed.items()
    }
    guard = {key: metadata[key] for key in ("uid", "resourceVersion")}
    return Rewrite({"metadata": guard, "spec": {"sealed": tokens}})


def _managers(metadata: Mapping[str, Any]) -> set[str]:
    """Return the field managers that have set the tokens."""
    return {
        str(entry.get("manager"))
        for entry in metadata.get("managedFields") or ()
        if "f:sealed" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    }
