"""A stand-in for the API server: objects in memory, versions, 404 and 409."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from tests.patches import json_patched, merge_patched, server_applied
from vaultferry.cluster import Cluster
from vaultferry.core.answers import Absent, Stale
from vaultferry.core.errors import ApiRejected
from vaultferry.core.vaultconnection import VaultConnection
from vaultferry.core.vaultsecret import VaultSecret
from vaultferry.views import Key

Body = dict[str, Any]


class StandIn(Cluster):
    """Keeps objects as an API server does, and remembers the calls.

    `faults` holds, by call, what the next calls raise. `meanwhile` holds what others
    do right before a call arrives.
    """

    def __init__(self) -> None:
        self.vaultsecrets: dict[Key, Body] = {}
        self.secrets: dict[Key, Body] = {}
        self.connections: dict[Key, Body] = {}
        self.accounts: dict[Key, Body] = {}
        self.audiences: list[str] = []
        self.calls: list[str] = []
        self.faults: dict[str, list[Exception]] = {}
        self.meanwhile: dict[str, Callable[[], object]] = {}
        self._version = 100

    def store(self, kind: dict[Key, Body], body: Body) -> Body:
        """Keep an object under the next resourceVersion, as anybody's write does."""
        self._version += 1
        kept = copy.deepcopy(body)
        kept["metadata"] |= {"resourceVersion": str(self._version)}
        kept["metadata"].setdefault("uid", f"uid-{self._version}")
        kind[Key.of(kept)] = kept
        return kept

    async def get_vaultsecret(self, namespace: str, name: str) -> Body:
        self._called("get vaultsecret")
        return copy.deepcopy(_found(self.vaultsecrets, Key(namespace, name)))

    async def update_status(
        self, resource: VaultSecret, status: Mapping[str, Any]
    ) -> Body:
        self._called("update status")
        after = _with_status(self.vaultsecrets, resource, status)
        return self.store(self.vaultsecrets, after)

    async def patch_finalizers(
        self, namespace: str, name: str, patch: Mapping[str, Any]
    ) -> Body:
        self._called("patch finalizers")
        before = _found(self.vaultsecrets, Key(namespace, name))
        for guard in ("uid", "resourceVersion"):
            if before["metadata"][guard] != patch[guard]:
                raise Stale
        after = merge_patched(before, {"metadata": dict(patch)})
        kept = self.store(self.vaultsecrets, after)
        if kept["metadata"].get("deletionTimestamp") and not patch["finalizers"]:
            del self.vaultsecrets[Key(namespace, name)]
        return _partial(kept)

    async def get_namespace(self, name: str) -> Body:
        self._called("get namespace")
        return {"metadata": {"name": name, "uid": f"uid-of-{name}"}}

    def check_leads(self) -> None:
        self._called("check leads")

    async def update_connection_status(
        self, resource: VaultConnection, status: Mapping[str, Any]
    ) -> None:
        self._called("update connection status")
        after = _with_status(self.connections, resource, status)
        self.store(self.connections, after)

    async def get_secret(self, namespace: str, name: str) -> Body:
        self._called("get secret")
        return copy.deepcopy(_found(self.secrets, Key(namespace, name)))

    async def get_service_account(self, namespace: str, name: str) -> Body:
        self._called("get service account")
        return _partial(_found(self.accounts, Key(namespace, name)))

    async def create_token(self, namespace: str, name: str, audience: str) -> Body:
        self._called("create token")
        account = _found(self.accounts, Key(namespace, name))
        self.audiences.append(audience)
        issued = f"{account['metadata']['uid']}-canary-{len(self.audiences)}"
        return {"status": {"token": issued}}

    async def create_secret(self, namespace: str, manifest: Mapping[str, Any]) -> Body:
        self._called("create secret")
        body = dict(manifest)
        if Key(namespace, body["metadata"]["name"]) in self.secrets:
            raise Stale
        return _partial(self.store(self.secrets, body))

    async def patch_secret(
        self, namespace: str, name: str, operations: list[dict[str, Any]]
    ) -> Body:
        self._called("patch secret")
        before = _found(self.secrets, Key(namespace, name))
        after: Body = json_patched(before, operations)
        if (
            after["metadata"]["resourceVersion"]
            != before["metadata"]["resourceVersion"]
        ):
            raise Stale
        if before.get("immutable") and after["data"] != before["data"]:
            raise ApiRejected("refused (HTTP 422)")
        return _partial(self.store(self.secrets, after))

    async def apply_secret(
        self, namespace: str, name: str, manager: str, manifest: Mapping[str, Any]
    ) -> Body:
        self._called("apply secret")
        before = _found(self.secrets, Key(namespace, name))
        for guard in ("uid", "resourceVersion"):
            if before["metadata"][guard] != manifest["metadata"][guard]:
                raise Stale
        after = server_applied(before, manifest, manager)
        return _partial(self.store(self.secrets, after))

    async def check_served(self) -> None:
        self._called("check served")

    def _called(self, call: str) -> None:
        self.calls.append(call)
        if act := self.meanwhile.pop(call, None):
            act()
        if waiting := self.faults.get(call):
            raise waiting.pop(0)


def _found(kind: Mapping[Key, Body], key: Key) -> Body:
    if key not in kind:
        raise Absent
    return kind[key]


def _with_status(
    kind: Mapping[Key, Body],
    resource: VaultSecret | VaultConnection,
    status: Mapping[str, Any],
) -> Body:
    before = _found(kind, Key(resource.namespace, resource.name))
    metadata = before["metadata"]
    if (metadata["uid"], metadata["resourceVersion"]) != (
        resource.uid,
        resource.resource_version,
    ):
        raise Stale
    return before | {"status": dict(status)}


def _partial(body: Body) -> Body:
    return {"metadata": copy.deepcopy(body["metadata"])}
