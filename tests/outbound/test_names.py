"""The resolver of the machine, apart from the rest of the process."""

import asyncio
import gc
import socket
import threading
from typing import Any

import pytest

from tests.outbound.loopback import ask, refused
from tests.running import run
from vaultferry.core.addresses import Exceptions
from vaultferry.outbound import Outbound
from vaultferry.outbound.names import Names

Found = list[tuple[Any, ...]]


def test_the_machine_knows_itself() -> None:
    async def story() -> None:
        names = Names()
        try:
            assert "127.0.0.1" in await names.addresses("localhost")
        finally:
            names.close()

    run(story())


def test_a_name_is_looked_up_once_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    answered = threading.Event()

    def slow(host: str, *_: object, **__: object) -> Found:
        asked.append(host)
        answered.wait(10)
        return [
            (0, 0, 0, "", ("192.0.2.1", 0)),
            (0, 0, 0, "", ("2001:db8::1", 0, 0, 0)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    async def story() -> None:
        names = Names()
        tasks = [asyncio.ensure_future(names.addresses("one")) for _ in range(100)]
        tasks.append(asyncio.ensure_future(names.addresses("two")))
        await asyncio.sleep(0.1)
        tasks[0].cancel()
        answered.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        await names.addresses("one")
        names.close()

        assert isinstance(done[0], asyncio.CancelledError)
        assert done[1:] == [["192.0.2.1", "2001:db8::1"]] * 100

    run(story())
    assert sorted(asked) == ["one", "one", "two"]


def test_a_lookup_that_nobody_waits_for_ends_in_silence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []
    answered = threading.Event()

    def slow(host: str, *_: object, **__: object) -> Found:
        asked.append(host)
        answered.wait(10)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    async def story() -> None:
        made = Outbound(Exceptions())
        url = "https://vault.example.com/"
        assert await refused(made, url, seconds=0.1) == "timeout"
        answered.set()
        await asyncio.sleep(0.2)
        assert asked == ["vault.example.com"]
        assert await refused(made, url) == "resolve"
        await made.close()

    run(story())
    gc.collect()
    assert caplog.text == ""


def test_what_still_runs_at_the_end_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()

    def slow(*_: object, **__: object) -> Found:
        answered.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    async def story() -> None:
        made = Outbound(Exceptions())
        tasks = [
            asyncio.ensure_future(ask(made, f"https://vault-{number}.example.com/"))
            for number in range(20)
        ]
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await made.close()
        answered.set()

    run(story())
