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
        self._plane = plane
        self._looped = Looped()
        self._changed = threading.Condition()
        self._versions: dict[tuple[str, str, str], list[Version]] = {}
        self._lost = ""

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
            held = self._changed.wait_for(lambda: self._lost or check(), seconds)
            assert not self._lost, f"the observer missed versions of {self._lost}"
            return bool(held)

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
        self._watches = []
        for resource, path in _PATHS.items():
            listed = await self._client.get(f"{path}?limit=1")
            watch = self._observe(resource, path, listed["metadata"]["resourceVersion"])
            self._watches.append(asyncio.ensure_future(watch))

    async def _stop(self) -> None:
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        async with self._client:
            pass

    async def _observe(self, resource: str, path: str, version: str) -> None:
        while True:
            with suppress(aiohttp.ClientError, OSError, Refused):
                async for kind, body in self._client.watch(path, version):
                    if kind == "ERROR":
                        return self._lose(resource)
                    version = body["metadata"]["resourceVersion"]
                    self._keep(resource, Version(kind, body))
            # The API server may be away; nothing is missed, for etcd is not.
            await asyncio.sleep(_PAUSE_SECONDS)

    def _lose(self, resource: str) -> None:
        with self._changed:
            self._lost = resource
            self._changed.notify_all()

    def _keep(self, resource: str, version: Version) -> None:
        metadata = version.body["metadata"]
        key = resource, metadata["namespace"], metadata["name"]
        with self._changed:
            self._versions.setdefault(key, []).append(version)
            self._changed.notify_all()
