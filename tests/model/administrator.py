"""Performs operations on the API server, as the administrator of the cluster."""

import asyncio
import json
import time
from http import HTTPStatus
from typing import Any

import aiohttp

from tests.model.generator import Plot
from tests.model.history import History, Violation
from tests.model.observer import PATHS, Observer
from tests.model.operations import Operation
from tests.model.waiting import until

_REFUSED = {
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
_JSON = "application/json"
_END_SECONDS = 120.0
_POLL_SECONDS = 0.05


class Administrator:
    """Whoever may do everything, and sees everything."""

    def __init__(self, session: aiohttp.ClientSession, observer: Observer) -> None:
        self._session = session
        self.observer = observer

    async def perform(
        self, operation: Operation, namespace: str, history: History, plot: Plot
    ) -> bool:
        """Perform an operation; tell whether the API server accepted it."""
        path = _path(operation.resource, namespace)
        if operation.method != "POST":
            path += f"/{operation.name}"
        status, answer = await self._ask(
            operation.method, path, operation.body, operation.content
        )
        if status in _REFUSED:
            return False
        assert status < HTTPStatus.BAD_REQUEST, f"{operation}: {status}"
        if operation.method == "DELETE":
            await self._deleted(operation, namespace, history, answer)
        elif operation.resource == "vaultsecrets":
            history.declared(answer, plot.drafts[operation.name].declared)
        else:
            history.touched(answer)
        return True

    async def make_namespace(self, name: str) -> int:
        """Make a namespace; return the resourceVersion from which it is there."""
        body = {"metadata": {"name": name}}
        status, made = await self._ask("POST", "/api/v1/namespaces", body, _JSON)
        assert status == HTTPStatus.CREATED, f"namespace {name}: {status}"
        return int(made["metadata"]["resourceVersion"])

    async def lose_namespace(self, name: str) -> None:
        """Delete a namespace, and wait until it is gone."""
        path = f"/api/v1/namespaces/{name}"
        await self._ask("DELETE", path, {}, _JSON)
        deadline = time.monotonic() + _END_SECONDS
        while (await self._ask("GET", path, None, _JSON))[0] != HTTPStatus.NOT_FOUND:
            if time.monotonic() > deadline:
                raise Violation("the namespace does not end")
            await asyncio.sleep(4 * _POLL_SECONDS)
        await until(lambda: not self.observer.scenes[name].now)

    async def _deleted(
        self, operation: Operation, namespace: str, history: History, answer: Any
    ) -> None:
        if operation.resource == "secrets":
            history.removed(answer["details"]["uid"])
            return
        # What is deleted with those that it owns stays until they are gone.
        scene = self.observer.scenes[namespace]
        await until(
            lambda: scene.get("vaultsecrets", operation.name) is None,
            _END_SECONDS,
            f"{operation}: it does not go",
        )

    async def _ask(
        self, method: str, path: str, body: Any, content: str
    ) -> tuple[int, Any]:
        async with self._session.request(
            method,
            path,
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": content},
        ) as answer:
            return answer.status, await answer.json()


def _path(resource: str, namespace: str) -> str:
    base, _, plural = PATHS[resource].rpartition("/")
    return f"{base}/namespaces/{namespace}/{plural}"
