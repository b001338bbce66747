"""What many people do at once, faster than kubectl can."""

import asyncio
import json
import time
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Mapping,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any

import aiohttp

from tests.controlplane import ControlPlane
from tests.e2e.operator import Operator
from tests.e2e.tenant import Body
from vaultferry.apiserver.entries import read
from vaultferry.apiserver.kubeconfig import api_server

CONNECTIONS = 16
_SECONDS = 120
_CLOSING_SECONDS = 0.5


@dataclass(frozen=True)
class Crowd:
    """Requests to the API server, many at a time."""

    session: aiohttp.ClientSession

    async def create(self, manifest: Mapping[str, Any]) -> None:
        """Create a VaultSecret or a Secret."""
        paths = {"VaultSecret": vaultsecrets, "Secret": secrets}
        path = paths[manifest["kind"]](manifest["metadata"]["namespace"])
        await self._ask("POST", path, manifest, "application/json")

    async def apply(self, path: str, manifest: Mapping[str, Any], manager: str) -> None:
        """Apply an object by server, as a field manager."""
        path = f"{path}?fieldManager={manager}"
        await self._ask("PATCH", path, manifest, "application/apply-patch+yaml")

    async def delete(self, path: str) -> None:
        """Delete an object."""
        await self._ask("DELETE", path, {}, "application/json")

    async def listed(self, path: str) -> dict[str, Body]:
        """Return all objects of a kind in a namespace by name."""
        async with self.session.get(path) as answer:
            assert answer.ok
            items = (await answer.json())["items"]
        return {body["metadata"]["name"]: body for body in items}

    async def patch(self, path: str, change: Mapping[str, Any]) -> None:
        """Merge-patch an object."""
        await self._ask("PATCH", path, change, "application/merge-patch+json")

    async def version(self, path: str) -> str:
        """Return the resourceVersion from which a watch tells of what is to come."""
        async with self.session.get(path, params={"limit": "1"}) as answer:
            assert answer.ok
            return str((await answer.json())["metadata"]["resourceVersion"])

    async def seen(
        self,
        path: str,
        since: str,
        names: Collection[str],
        holds: Callable[[Body], bool],
    ) -> dict[str, float]:
        """Watch until something held for each name; return when it first did."""
        found: dict[str, float] = {}
        query = {"watch": "true", "resourceVersion": since}
        async with self.session.get(path, params=query) as answer:
            while len(found) < len(names):
                body = json.loads(await answer.content.readline())["object"]
                name = body["metadata"]["name"]
                if name in names and holds(body):
                    found.setdefault(name, time.monotonic())
            if answer.connection and answer.connection.transport:
                # A stream that is left is shut down politely, which may outlast us.
                answer.connection.transport.abort()
        return found

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any], kind: str
    ) -> Body:
        headers = {"Content-Type": kind}
        text = json.dumps(body)
        async with self.session.request(
            method, path, data=text, headers=headers
        ) as answer:
            assert answer.ok, f"{method} {path}: {answer.status}"
            answered: Body = await answer.json()
        return answered


@asynccontextmanager
async def crowd(plane: ControlPlane) -> AsyncIterator[Crowd]:
    """Be many administrators."""
    server = api_server(read([plane.kubeconfig]))
    shown = await server.credentials.authorization()
    async with server.session(
        CONNECTIONS + 1,
        base_url=server.url,
        headers={"Authorization": shown} if shown else {},
        timeout=aiohttp.ClientTimeout(total=_SECONDS),
    ) as session:
        yield Crowd(session)
    # What was closed is let go by the loop, in its next rounds.
    await asyncio.sleep(_CLOSING_SECONDS)


async def together(acts: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do a lot of things, as many at a time as there are connections."""
    free = asyncio.Semaphore(CONNECTIONS)

    async def in_turn(act: Coroutine[Any, Any, None]) -> None:
        async with free:
            await act

    await asyncio.gather(*map(in_turn, acts))


def reported(operator: Operator) -> float:
    """Return how many statuses the operator wrote, without a word to the API server."""
    return operator.metric("reconciles_total", result="reported")


def waiting(operator: Operator) -> float:
    """Return how many keys wait that nobody is in a hurry for."""
    return operator.metric("queue_depth", lane="routine")


def percentile(values: Iterable[float], percent: int) -> float:
    """Return the smallest value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[ceil(len(ordered) * percent / 100) - 1]


def vaultsecrets(namespace: str) -> str:
    """Return the path of the VaultSecrets of a namespace."""
    return f"/apis/vaultferry.dev/v1alpha1/namespaces/{namespace}/vaultsecrets"


def secrets(namespace: str) -> str:
    """Return the path of the Secrets of a namespace."""
    return f"/api/v1/namespaces/{namespace}/secrets"
