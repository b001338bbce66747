"""A plain way to the API server: aiohttp, JSON, a bounded number of connections."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp

from tests.controlplane import ControlPlane

Body = Mapping[str, Any]
Item = TypeVar("Item")

CONNECTIONS = 16
"""More are slower on two cores."""

_CLOSING_SECONDS = 0.5
_LIMITS = aiohttp.ClientTimeout(total=60)
_FOREVER = aiohttp.ClientTimeout(total=None)
# A line of a watch holds a whole object.
_LINE = 4 * 2**20


class Refused(Exception):
    """The API server answered with an error."""


class Client:
    """A user's connections to the API server."""

    def __init__(
        self, server: str, context: ssl.SSLContext, token: str | None = None
    ) -> None:
        self._server = server
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS + 1, ssl=context),
            headers={"Authorization": f"Bearer {token}"} if token else {},
            read_bufsize=_LINE,
        )

    @classmethod
    def of_administrator(cls, plane: ControlPlane) -> Self:
        """Connect as the administrator of a control plane of our own."""
        context = ssl.create_default_context(cafile=plane.ca_file)
        folder = plane.work_dir
        context.load_cert_chain(folder / "admin.crt", folder / "admin.key")
        return cls(plane.server, context)

    @classmethod
    def of_account(cls, plane: ControlPlane, namespace: str, name: str) -> Self:
        """Connect as a service account."""
        options = ["--namespace", namespace, "--duration=24h"]
        token = plane.kubectl("create", "token", name, *options).strip()
        context = ssl.create_default_context(cafile=plane.ca_file)
        return cls(plane.server, context, token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()
        # What was closed is let go by the loop, in its next rounds.
        await asyncio.sleep(_CLOSING_SECONDS)

    async def get(self, path: str) -> Body:
        """Return an object, or a list."""
        return await self._call("GET", path)

    async def create(self, path: str, manifest: Body) -> Body:
        """Create an object; return it."""
        return await self._call("POST", path, manifest)

    async def patch(self, path: str, change: Body) -> Body:
        """Merge-patch an object; return it."""
        return await self._call("PATCH", path, change)

    async def update(self, path: str, manifest: Body) -> Body:
        """Replace an object, or its status; return it."""
        return await self._call("PUT", path, manifest)

    async def delete(self, path: str) -> None:
        """Delete an object, or a collection."""
        await self._call("DELETE", path)

    async def version(self) -> str:
        """Return the version of Kubernetes."""
        return str((await self.get("/version"))["gitVersion"])

    async def watch(
        self, path: str, resource_version: str
    ) -> AsyncIterator[tuple[str, Body]]:
        """Yield (type, object) of the changes since a resourceVersion."""
        url = f"{self._server}{path}"
        query = {"watch": "true", "resourceVersion": resource_version}
        async with self._session.get(url, params=query, timeout=_FOREVER) as answer:
            if answer.status >= HTTPStatus.BAD_REQUEST:
                raise Refused(f"watch {path}: HTTP {answer.status}")
            async for line in answer.content:
                event = json.loads(line)
                yield event["type"], event["object"]

    async def _call(self, verb: str, path: str, body: Body | None = None) -> Body:
        kind = "merge-patch+json" if verb == "PATCH" else "json"
        async with self._session.request(
            verb,
            f"{self._server}{path}",
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": f"application/{kind}"},
            timeout=_LIMITS,
        ) as answer:
            read: Body = json.loads(await answer.read())
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise Refused(f"{verb} {path}: {read.get('message')}")
        return read


async def each(
    items: Iterable[Item], work: Callable[[Item], Awaitable[object]]
) -> None:
    """Do the work for each item, as many at a time as there are connections."""
    left = iter(items)

    async def worker() -> None:
        for item in left:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(worker())
