"""Every version of Secrets and VaultSecrets, as an observer at the API server saw it.

The observer does not go through the proxy, and hears of each version that was stored.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp

from benchmarks.client import Client, Refused
from tests.controlplane import ControlPlane
from tests.faults.looped import Looped

Body = Mapping[str, Any]

SECRETS = "secrets"
VAULTSECRETS = "vaultsecrets"
_PAUSE_SECONDS = 0.3
_PATHS = {
    SECRETS: "/api/v1/secrets",
    VAULTSECRETS: "/apis/vaultferry.dev/v1alpha1/vaultsecrets",
}


@dataclass(frozen=True, repr=False)
class Version:
    """A version of an object; without a `repr`, because it may hold values."""

    kind: str
    """ADDED, MODIFIED or DELETED."""

    body: Body

    @property
    def revision(self) -> int:
        """The resourceVersion: with one etcd, the order of all writes."""
        return int(self.body["metadata"]["resourceVersion"])


class History:
    """What the observer has seen so far. Its methods are for the thread of the test."""

    def __init__(self, plane: ControlPlane) -> None:
        self.gaps = 0
        """How often versions may have been missed: an API server that starts is one."""

        self._plane = plane
        self._at: dict[str, str] = {}
        self._looped = Looped()
        self._changed = threading.Condition()
        self._versions: dict[tuple[str, str, str], list[Version]] = {}

    @contextmanager
    def observing(self) -> Iterator["History"]:
        """Observe until left."""
        with self._looped.running("observer"):
            self._looped.call(self._start())
            try:
                yield self
            finally:
                self._looped.call(self._stop())

    def of(self, resource: str, namespace: str, name: str) -> list[Version]:
        """Return the versions of an object in their order."""
        with self._changed:
            return list(self._versions.get((resource, namespace, name), ()))

    def wait(self, check: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds of what was seen; return whether it does."""
        with self._changed:
            return self._changed.wait_for(check, seconds)

    def create(self, path: str, manifest: Body) -> Body:
        """Create an object, as the administrator; return it."""
        return self._looped.call(self._client.create(path, manifest))

    def patch(self, path: str, change: Body) -> Body:
        """Merge-patch an object, as the administrator; return it."""
        return self._looped.call(self._client.patch(path, change))

    def delete(self, path: str) -> None:
        """Delete an object, as the administrator."""
        self._looped.call(self._client.delete(path))

    async def _start(self) -> None:
        self._client = Client.of_administrator(self._plane)
        for resource, path in _PATHS.items():
            listed = await self._client.get(f"{path}?limit=1")
            self._at[resource] = listed["metadata"]["resourceVersion"]
        self._watches = [
            asyncio.ensure_future(self._observe(resource)) for resource in _PATHS
        ]

    async def _stop(self) -> None:
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        async with self._client:
            pass

    async def _observe(self, resource: str) -> None:
        while True:
            # The API server may be away; while it is, nothing can happen.
            with suppress(aiohttp.ClientError, OSError, Refused):
                await self._follow(resource)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _follow(self, resource: str) -> None:
        path = _PATHS[resource]
        async for kind, body in self._client.watch(path, self._at[resource]):
            if kind == "ERROR":
                # One that was started again does not know what was before.
                return await self._list(resource)
            self._keep(resource, Version(kind, body))
            self._at[resource] = body["metadata"]["resourceVersion"]
        return None

    async def _list(self, resource: str) -> None:
        self.gaps += 1
        listed = await self._client.get(_PATHS[resource])
        for body in listed["items"]:
            version = Version("MODIFIED", body)
            seen = self.of(resource, *_place(body))
            if not seen or seen[-1].revision < version.revision:
                self._keep(resource, version)
        self._at[resource] = listed["metadata"]["resourceVersion"]

    def _keep(self, resource: str, version: Version) -> None:
        with self._changed:
            key = resource, *_place(version.body)
            self._versions.setdefault(key, []).append(version)
            self._changed.notify_all()


def _place(body: Body) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]
