"""Strangers learn nothing, the API server gets an answer, and nothing is quoted."""

import datetime as dt
import json
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.keyrings import keyring
from tests.running import run
from tests.webhook.tls import HOST, Answer, ask, request
from vaultferry.core.admission import Body, Malformed
from vaultferry.core.authority import authorities, paths
from vaultferry.webhook.certificates import Certificates, Own
from vaultferry.webhook.metrics import Metrics
from vaultferry.webhook.server import MAX_BODY, Handler, serving

CANARY = b"canary-value"

RING = keyring(1, 2)
NEWEST, OLDEST = paths(RING)
AUTHORITIES = authorities(RING)
[AUTHORITY, _] = AUTHORITIES

Reply = Callable[[bytes], Coroutine[Any, Any, Body]]


class Hook:
    """A server on loopback, and what it was asked."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.asked: list[bytes] = []
        self.metrics = Metrics()
        self._reply = reply

    async def answer(self, text: bytes) -> Body:
        self.asked.append(text)
        return await self._reply(text) if self._reply else {"said": len(text)}

    def ask(self, path: str, body: bytes = CANARY, **more: Any) -> Answer:
        handler = Handler(paths(RING), self.answer, self.metrics)

        def now() -> dt.datetime:
            return dt.datetime.now(dt.UTC)

        context = Certificates(Own(AUTHORITIES, HOST, now)).context

        async def asked() -> Answer:
            async with serving(0, context, handler) as port:
                return await ask(port, AUTHORITY, request(path, body, **more))

        return run(asked())

    def counted(self, result: str) -> float | None:
        return self.metrics.registry.get_sample_value(
            "vaultferry_webhook_answers_total", {"result": result}
        )


@pytest.mark.parametrize("path", [NEWEST, OLDEST, f"{NEWEST}?timeout=5s"])
def test_who_knows_a_path_is_answered(path: str) -> None:
    hook = Hook()

    answer = hook.ask(path)

    assert (answer.status, json.loads(answer.body)) == (200, {"said": len(CANARY)})
    assert hook.asked == [CANARY]


STRANGE = {
    "the root": "/",
    "a wrong end": NEWEST[:-1] + "g",
    "more": NEWEST + "/",
    "less": NEWEST[:-1],
    "encoded": f"/%{ord(NEWEST[1]):x}{NEWEST[2:]}",
    "not ASCII": "/%C3%A4",
    "empty": "//",
}


@pytest.mark.parametrize("path", STRANGE.values(), ids=STRANGE)
def test_who_does_not_know_it_is_told_nothing(path: str) -> None:
    hook = Hook()

    answer = hook.ask(path)

    assert (answer.status, answer.body) == (404, b"")
    assert hook.asked == []
    assert hook.counted("stranger") == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_is_a_stranger_too(method: str) -> None:
    hook = Hook()

    assert hook.ask(NEWEST, method=method).status == 404
    assert hook.asked == []


def test_the_body_of_a_stranger_is_not_waited_for() -> None:
    answer = Hook().ask("/", b"", length=10 * MAX_BODY)

    assert (answer.status, answer.body) == (404, b"")


def test_a_stranger_cannot_stay() -> None:
    answer = Hook().ask("/", connection="keep-alive")

    assert (answer.status, answer.body) == (404, b"")


def test_a_body_over_the_limit_is_refused() -> None:
    hook = Hook()

    assert hook.ask(NEWEST, b" " * MAX_BODY).status == 200
    assert hook.ask(NEWEST, b" " * (MAX_BODY + 1)).status == 400
    assert hook.counted("malformed") == 1
    assert len(hook.asked) == 1


def test_what_is_malformed_is_not_quoted() -> None:
    async def malformed(text: bytes) -> Body:
        raise Malformed(text.decode())

    hook = Hook(malformed)

    answer = hook.ask(NEWEST)

    assert (answer.status, answer.body) == (400, b"malformed\n")


def test_an_unexpected_error_is_not_quoted(caplog: pytest.LogCaptureFixture) -> None:
    async def failing(text: bytes) -> Body:
        raise ValueError(text.decode())

    hook = Hook(failing)

    with caplog.at_level(logging.ERROR):
        answer = hook.ask(NEWEST)

    assert (answer.status, answer.body) == (500, b"failed\n")
    assert hook.counted("failed") == 1
    assert hook.counted("stranger") is None


def test_how_long_the_api_server_waited_is_measured() -> None:
    hook = Hook()
    hook.ask(NEWEST)
    hook.ask("/")

    count = hook.metrics.registry.get_sample_value("vaultferry_webhook_seconds_count")
    assert count == 1
