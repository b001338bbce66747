"""Builders of the things that tests are about: small, made up, always the same."""

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.keyrings import keyring
from vaultferry.core.condition import Condition
from vaultferry.core.desired import Credential, secret
from vaultferry.core.errors import ApiUnavailable, FieldMissing
from vaultferry.core.outcome import Realised
from vaultferry.core.report import Realisation, status
from vaultferry.core.sealing import Place, Scope
from vaultferry.core.secret import Content, Current, Desired, Seen
from vaultferry.core.vaultconnection import VaultConnection
from vaultferry.core.vaultsecret import SyncedSecret, VaultSecret

Body = dict[str, Any]

NAMESPACE = "team"
NAME = "app"
UID = "uid-of-app"
OWNER = f"{NAMESPACE}/{NAME}"
BEFORE = "2026-01-01T00:00:00Z"
NOW = "2026-01-02T00:00:00Z"
CANARY = "canary-value"

WILL_RETRY = ApiUnavailable("the API server did not answer")
NEEDS_PERSON = FieldMissing("missing: token; type token takes token")


@cache
def sealed(value: str = CANARY, field: str = "token", name: str = NAME) -> str:
    """Return a value sealed for the VaultSecret that builders make."""
    place = Place(NAMESPACE, name, field)
    return keyring().seal_at_rest(value.encode(), Scope.STRICT, place)


def vault_secret_body(**spec: Any) -> Body:
    """Return a VaultSecret of type token as the API has it before any sync."""
    metadata: Body = {"namespace": NAMESPACE, "name": NAME, "uid": UID}
    metadata |= {"generation": 1, "resourceVersion": "1"}
    stored = {"type": "token", "sealed": {"token": sealed()}} | spec
    return {"metadata": metadata, "spec": stored, "status": {"observedGeneration": -1}}


def connection_body(**spec: Any) -> Body:
    """Return a VaultConnection to a config of Doppler, as it is before any report."""
    metadata: Body = {"namespace": NAMESPACE, "name": "vault", "uid": "uid-of-vault"}
    metadata |= {"generation": 1, "resourceVersion": "1"}
    doppler = {"project": "shop", "config": "prd", "tokenSecretRef": {"name": "token"}}
    stored = {"doppler": doppler} | spec
    return {"metadata": metadata, "spec": stored, "status": {"observedGeneration": -1}}


def connection(**spec: Any) -> VaultConnection:
    """Return a VaultConnection."""
    return VaultConnection.parse(connection_body(**spec))


def edited(body: Body, **metadata: Any) -> Body:
    """Return a copy of an object with other metadata."""
    changed = copy.deepcopy(body)
    changed["metadata"] |= metadata
    return changed


def vault_secret(status: Mapping[str, Any] | None = None, **spec: Any) -> VaultSecret:
    """Return a VaultSecret, with a status if one is given."""
    return VaultSecret.parse(vault_secret_body(**spec) | {"status": status or {}})


def condition(kind: str, status: str, reason: str = "Synced", **more: Any) -> Condition:
    """Return a condition that has been so since BEFORE."""
    known = {"type": kind, "status": status, "reason": reason, "message": "Why."}
    since = {"lastTransitionTime": BEFORE, "observedGeneration": 1}
    return Condition.model_validate(known | since | more)


def synced_secret(**more: Any) -> SyncedSecret:
    """Return what a status says of the Secret that `seen` makes."""
    known = {"name": NAME, "uid": "uid-of-secret", "resourceVersion": "7"}
    return SyncedSecret.model_validate(known | {"type": "Opaque", "layout": 1} | more)


def realisation(**more: Any) -> Realisation:
    """Return what is true once the VaultSecret of the builders is realised."""
    known: Body = {"version": 1, "fingerprint": "f", "fields": ("token",)}
    known |= {"secret": synced_secret(), "provider": "sealed", "key_id": "k"}
    known |= {"expires_at": None}
    return Realisation(**known | more)


def realised_status(resource: VaultSecret, **more: Any) -> Body:
    """Return the status of a VaultSecret right after it was realised."""
    return status(resource, Realised(), realisation(**more), BEFORE).dumped()


def realised(**spec: Any) -> VaultSecret:
    """Return a VaultSecret that is realised."""
    return vault_secret(realised_status(vault_secret(**spec)), **spec)


def secret_body(**metadata: Any) -> Body:
    """Return a Secret as the API gives it, without data."""
    known = {"namespace": NAMESPACE, "name": NAME, "uid": "uid-of-secret"}
    return {"metadata": known | {"resourceVersion": "7"} | metadata, "type": "Opaque"}


def seen(**metadata: Any) -> Seen:
    """Return the metadata of a Secret."""
    return Seen.parse(secret_body(**metadata))


def current(data: Mapping[str, bytes] | None = None, **metadata: Any) -> Current:
    """Return a Secret that is ours and that was read."""
    ours = {"annotations": {"vaultferry.dev/owner": OWNER}}
    return Current(
        seen(**ours | metadata), Content("Opaque", data or {}, immutable=False)
    )


def desired(data: Mapping[str, bytes] | None = None, **target: Any) -> Desired:
    """Return the Secret that the VaultSecret of the builders wants."""
    resource = vault_secret(target=target)
    credential = Credential({"token": b"1"} if data is None else data, 1, "f")
    return secret(resource, resource.spec, "Opaque", credential)
