"""A fake AWS Parameter Store: moto behind a proxy that does what moto does not."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp

from tests import toolbox
from tests.vaults import judges
from tests.vaults.faults import Fault
from tests.vaults.limiter import Limiter, Rate
from tests.vaults.message import Answer, Asked
from tests.vaults.vault import Kept, Vault

_MOTO = Path(__file__).with_name("moto_server.py")
_JSON = {"content-type": "application/x-amz-json-1.1"}
_FORWARDED = ("authorization", "content-type", "x-amz-date", "x-amz-target")
_READS = ("GetParameter", "GetParameters", "GetParametersByPath")
_LARGEST = {"Standard": 4096, "Advanced": 8192}


class State(Kept):
    """The limits. Parameters are put by whoever uses the store."""

    reads: Rate | None = None
    """Of all that read values together; 40 a second on AWS."""

    writes: Rate | None = None
    """Of `PutParameter`; about 3 a second on AWS."""


class ParameterStore(Vault[State]):
    """The store; `open` starts moto in a process of its own."""

    kind = State

    def __init__(self, state: State | None = None) -> None:
        super().__init__(state)
        self._limiter = Limiter()

    async def open(self) -> None:
        self._moto = subprocess.Popen(  # noqa: ASYNC220 - nothing else is to be done yet
            [sys.executable, str(_MOTO)],
            env=toolbox.environment(judges.packages()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._moto.stdout is not None
        self._url = f"http://127.0.0.1:{self._moto.stdout.readline().strip()}/"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), auto_decompress=False
        )

    async def close(self) -> None:
        await self._session.close()
        self._moto.communicate()

    async def answer(self, asked: Asked) -> Answer:
        operation = asked.headers.get("x-amz-target", "").rpartition(".")[2]
        return self._refusal(asked, operation) or await self._forwarded(asked)

    def _refusal(self, asked: Asked, operation: str) -> Answer | None:
        if self._is_too_fast(operation):
            return error("ThrottlingException", "Rate exceeded")
        if operation == "PutParameter":
            return _too_large(asked.document())
        return None

    def _is_too_fast(self, operation: str) -> bool:
        state = self.state
        kind, rate = ("reads", state.reads) if operation in _READS else ("", None)
        if operation == "PutParameter":
            kind, rate = "writes", state.writes
        return rate is not None and self._limiter.take(kind, rate, self.now).is_over

    async def _forwarded(self, asked: Asked) -> Answer:
        headers = {
            name: asked.headers[name] for name in _FORWARDED if name in asked.headers
        }
        async with self._session.request(
            asked.method, self._url, data=asked.body, headers=headers
        ) as answer:
            kept = {
                name: text
                for name, text in answer.headers.items()
                if name.lower().startswith(("x-amz", "content-type"))
            }
            return Answer(answer.status, await answer.read(), kept)


def error(kind: str, message: str) -> Answer:
    """Answer as AWS does when it refuses."""
    body = json.dumps({"__type": kind, "message": message}).encode()
    return Answer(400, body, _JSON)


def refused(kind: str, operation: str = "", times: int | None = None) -> Fault:
    """Refuse an operation, or all: `ThrottlingException`, `AccessDeniedException`, …"""

    body = json.dumps({"__type": kind, "message": "injected"})
    return Fault(
        name=kind,
        operation=operation,
        times=times,
        status=400,
        headers=_JSON,
        body=body,
    )


def _too_large(given: dict[str, Any]) -> Answer | None:
    tier = given.get("Tier", "Standard")
    largest = _LARGEST.get(tier, max(_LARGEST.values()))
    if len(str(given.get("Value", "")).encode()) <= largest:
        return None
    return error(
        "ValidationException",
        f"{tier} tier parameters support a maximum parameter value of {largest} "
        "characters.",
    )
