"""Webhooks over real sockets: who signs is believed, and others learn nothing."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from tests.providers.test_webhooks import signature
from tests.running import run
from vaultferry import providers
from vaultferry.operator import push
from vaultferry.operator.push import (
    BURST,
    EACH_SECONDS,
    MAX_BODY,
    MAX_CONNECTIONS,
    Webhooks,
    serving,
)
from vaultferry.pushing import Signer, Signers
from vaultferry.views import Key

SHOP, BARE = Key("team", "shop"), Key("team", "bare")
SECRET = b"canary-signing-secret"
BODY = b'{"type": "config.secrets.update"}'
CANARY = "canary-of-a-request"
SIGNED = {"X-Doppler-Signature": f"sha256={signature(BODY, SECRET)}"}
FORGED = {"X-Doppler-Signature": f"sha256={signature(BODY, b'guess')}"}


class Hook:
    """A listener, one connection that is signed for, and one that is not."""

    def __init__(self) -> None:
        webhook = providers.load("doppler").PROVIDER.webhook
        assert webhook is not None
        self.signers = Signers(is_served=True)
        self.signers.put(SHOP, 1, Signer(webhook.verify, SECRET))
        self.signers.lack(BARE, 1, "Secret hook does not exist")
        self.pushed: list[Key] = []
        self.counted: list[str] = []
        self.verified = 0
        self.now = 1_000.0
        self.webhooks = Webhooks(
            self._verify, self.pushed.append, self.counted.append, lambda: self.now
        )

    def _verify(self, *asked: Any) -> bool:
        self.verified += 1
        return self.signers.verify(*asked)

    def during(self, story: Callable[[int], Coroutine[Any, Any, Any]]) -> Any:
        async def told() -> Any:
            async with serving(0, self.webhooks) as port:
                return await story(port)

        return run(told())

    def ask(self, *requests: bytes) -> list[tuple[int, bytes]]:
        """Send requests, one after the other."""

        async def story(port: int) -> list[tuple[int, bytes]]:
            return [await asked(port, request) for request in requests]

        found: list[tuple[int, bytes]] = self.during(story)
        return found


def request(
    path: str = "/push/team/shop",
    body: bytes = BODY,
    headers: dict[str, str] | None = None,
    method: str = "POST",
    length: int | None = None,
) -> bytes:
    claimed = len(body) if length is None else length
    given = {"Host": "x"} | (headers or {})
    if "Transfer-Encoding" not in given:
        given = {"Content-Length": str(claimed)} | given
    lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in given.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def asked(port: int, text: bytes) -> tuple[int, bytes]:
    """Return the status of an answer, and all of it but for the date."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return 0, b""
    raw = b""
    with suppress(ConnectionError):
        writer.write(text)
        raw = await reader.read()
    writer.close()
    lines = [line for line in raw.split(b"\r\n") if not line.startswith(b"Date:")]
    return int(raw.split()[1]) if raw else 0, b"\r\n".join(lines)


def test_who_signs_is_taken() -> None:
    hook = Hook()

    assert [status for status, _ in hook.ask(request(headers=SIGNED))] == [202]
    assert hook.pushed == [SHOP]
    assert hook.counted == ["taken"]


def test_a_replay_is_a_look_more_and_no_harm() -> None:
    hook = Hook()

    assert [s for s, _ in hook.ask(*[request(headers=SIGNED)] * 3)] == [202] * 3
    assert hook.pushed == [SHOP] * 3


STRANGERS = {
    "no such connection": request("/push/team/none", headers=SIGNED),
    "no such namespace": request("/push/none/shop", headers=SIGNED),
    "without a secret": request("/push/team/bare", headers=SIGNED),
    "forged": request(headers=FORGED),
    "unsigned": request(),
    "another body": request(body=BODY + b" ", headers=SIGNED),
    "signed twice": request(headers={**SIGNED, "x-doppler-signature": "sha256=0"}),
    "the root": request("/", headers=SIGNED),
    "no name": request("/push/team/", headers=SIGNED),
    "more": request("/push/team/shop/", headers=SIGNED),
    "no name of a resource": request("/push/team/SHOP", headers=SIGNED),
    "climbing": request("/push/team/../team/shop", headers=SIGNED),
    "encoded": request("/push/team/%73hop", headers=SIGNED),
    "long": request(f"/push/team/{'a' * 2_000}", headers=SIGNED),
    "GET": request(method="GET", headers=SIGNED),
    "PUT": request(method="PUT", headers=SIGNED),
}


def test_all_others_get_one_answer() -> None:
    hook = Hook()

    answers = hook.ask(*STRANGERS.values())

    assert {status for status, _ in answers} == {404}
    assert len({answer for _, answer in answers}) == 1
    assert hook.pushed == []
    assert set(hook.counted) == {"refused"}


def test_a_signature_may_stand_behind_a_query() -> None:
    hook = Hook()

    assert hook.ask(request("/push/team/shop?a=b", headers=SIGNED))[0][0] == 202


def test_what_is_refused_takes_as_long_whatever_the_reason() -> None:
    hook, body = Hook(), bytes(MAX_BODY)
    names = [SHOP, BARE, Key("team", "none")]
    took: dict[Key, list[float]] = {key: [] for key in names}
    for _ in range(30):
        for key in names:
            began = time.perf_counter()
            assert not hook.signers.verify(key, {"x-doppler-signature": [""]}, body, 0)
            took[key].append(time.perf_counter() - began)

    fastest = [min(each) for each in took.values()]
    # Without the reckoning it would be a hundredth of that.
    assert max(fastest) < 2 * min(fastest)


TOO_MUCH = {
    "too long": request(body=bytes(MAX_BODY + 1), headers=SIGNED),
    "said to be": request(length=MAX_BODY + 1, headers=SIGNED),
    "in chunks": request(
        body=b"%x\r\n" % (MAX_BODY + 1) + bytes(MAX_BODY + 1) + b"\r\n0\r\n\r\n",
        headers={"Transfer-Encoding": "chunked"},
    ),
}


@pytest.mark.parametrize("text", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_body_over_the_limit_is_not_reckoned_with(
    text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "BODY_SECONDS", 60.0)
    hook, began = Hook(), time.monotonic()

    [(status, _)] = hook.ask(text)

    # Nor is it waited for.
    assert time.monotonic() - began < push.BODY_SECONDS / 2

    # Where it goes on sending, the answer may not get through.
    assert status in {0, 400}
    assert hook.verified == 0
    assert hook.counted == ["malformed"]


def test_a_body_of_the_limit_is_taken() -> None:
    hook, body = Hook(), bytes(MAX_BODY)
    signed = {"X-Doppler-Signature": f"sha256={signature(body, SECRET)}"}

    assert hook.ask(request(body=body, headers=signed))[0][0] == 202


def test_a_slow_body_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "BODY_SECONDS", 0.2)
    hook = Hook()

    [(status, _)] = hook.ask(request(length=len(BODY) + 1, headers=SIGNED))

    assert status == 400
    assert hook.verified == 0


@pytest.mark.parametrize("text", [b"", b"POST /push/team/shop HTTP/1.1\r\nHost: x\r\n"])
def test_a_slow_head_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, text: bytes
) -> None:
    monkeypatch.setattr(push, "HEAD_SECONDS", 0.2)
    hook = Hook()

    assert hook.ask(text) == [(0, b"")]
    assert hook.counted == []


def test_a_flood_of_a_connection_is_bounded_before_anything_is_reckoned() -> None:
    hook = Hook()

    answers = Counter(s for s, _ in hook.ask(*[request(headers=FORGED)] * (3 * BURST)))

    assert answers == {404: BURST, 429: 2 * BURST}
    assert hook.verified == BURST

    hook.now += 2 * EACH_SECONDS
    signed = [request(headers=SIGNED)] * 3
    assert [status for status, _ in hook.ask(*signed)] == [202, 202, 429]


def test_a_flood_of_many_is_bounded_as_well() -> None:
    hook = Hook()
    many = [request(f"/push/team/name-{n}", headers=FORGED) for n in range(300)]

    answers = Counter(status for status, _ in hook.ask(*many))

    assert answers == {404: 256, 429: 44}
    assert hook.verified == 256


def test_connections_are_bounded() -> None:
    hook = Hook()

    async def story(port: int) -> tuple[int, int]:
        async def opened() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_connection("127.0.0.1", port)

        idle = [await opened() for _ in range(MAX_CONNECTIONS)]
        await _until(lambda: _is_over(port))
        for _, writer in idle:
            writer.close()
        await _until(lambda: _is_taken(port))
        return len(idle), hook.counted.count("taken")

    assert hook.during(story) == (MAX_CONNECTIONS, 1)


async def _is_over(port: int) -> bool:
    return (await asked(port, request("/")))[0] == 0


async def _is_taken(port: int) -> bool:
    return (await asked(port, request(headers=SIGNED)))[0] == 202


async def _until(check: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(1_000):
        if await check():
            return
        await asyncio.sleep(0.02)
    raise AssertionError


MALFORMED = {
    "no HTTP": f"{CANARY}\r\n\r\n".encode(),
    "a bad header": request().replace(b"Host: x", f"Host x {CANARY}".encode()),
    "a bad length": request(headers={"Content-Length": CANARY}),
    "a bad chunk": request(
        body=f"{CANARY}\r\n".encode(), headers={"Transfer-Encoding": "chunked"}
    ),
    "many headers": request(headers={f"x-{n}": CANARY for n in range(1_000)}),
    "a huge header": request(headers={"X-Doppler-Signature": CANARY * 10_000}),
    "cut": request(length=1_000_000),
}


@pytest.mark.parametrize("text", [*MALFORMED.values(), *STRANGERS.values()])
def test_nothing_of_a_request_is_logged(
    text: bytes, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = Hook()

    with caplog.at_level(logging.DEBUG):
        hook.ask(text)

    own = [r for r in caplog.records if r.name != "asyncio"]
    # That it listens is all that is said.
    assert len(own) + len(capsys.readouterr().out.splitlines()) == 1
    assert CANARY not in caplog.text
    assert hook.pushed == []


def test_what_breaks_is_counted_and_told_to_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hook = Hook()

    def breaks(_: Key) -> None:
        raise ValueError(CANARY)

    hook.webhooks = Webhooks(hook.signers.verify, breaks, hook.counted.append)
    [(status, answer)] = hook.ask(request(headers=SIGNED))

    assert status == 400
    assert CANARY.encode() not in answer
    assert CANARY not in caplog.text
    assert hook.counted == ["malformed"]


def test_a_port_that_is_taken_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(push, "RETRY_SECONDS", 0.05)
    hook = Hook()

    async def story() -> None:
        async with serving(0, Hook().webhooks) as port:
            taking = asyncio.create_task(push.take(port, hook.webhooks))
            await _until(lambda: _said("no port for webhooks", capsys))
        await _until(lambda: _is_taken(port))
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)

    run(story())
    assert hook.pushed == [SHOP]


async def _said(text: str, capsys: pytest.CaptureFixture[str]) -> bool:
    return text in capsys.readouterr().out


def test_without_a_port_nothing_is_done() -> None:
    run(push.take(None, Hook().webhooks))


def test_where_no_webhooks_are_taken_none_is_right() -> None:
    signers = Signers(is_served=False)

    said = signers.said(SHOP, 1)

    assert said is not None
    assert said.reason == "NotServed"
    assert not signers.verify(SHOP, {}, b"", 0.0)


def test_what_signs_is_not_shown() -> None:
    assert SECRET.decode() not in repr(vars(Hook().signers))
