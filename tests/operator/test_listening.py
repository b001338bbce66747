"""Places that hear of changes from a Doppler over a real socket."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest

from tests.running import run
from tests.vaults.doppler import Doppler
from tests.vaults.doppler_state import State, Token
from tests.vaults.server import Server
from vaultferry import links, places
from vaultferry.core.addresses import Exceptions
from vaultferry.core.urgency import Lane
from vaultferry.operator import streams
from vaultferry.operator.streams import Streams
from vaultferry.outbound import Outbound
from vaultferry.places import Around, PlaceKey, Places
from vaultferry.providers import doppler
from vaultferry.views import Key

CONNECTION, USER = Key("team", "vault"), Key("team", "db")
CONFIG = "shop/prd"
TOKEN = "dp.st.prd.made-up"
PLACE = PlaceKey(CONNECTION, CONFIG)
WATCH = "/v3/configs/config/secrets/watch"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing longer than a test can."""
    monkeypatch.setattr(streams, "_SOON_SECONDS", 0.1)
    monkeypatch.setattr(streams, "_LATER_SECONDS", 0.2)
    monkeypatch.setattr(places, "_TOLD_SECONDS", 0.05)
    monkeypatch.setattr(links, "_SPACING_SECONDS", 0.05)


class Listener:
    """A Doppler, one place of it, and what works on that."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.ended: list[str] = []
        self._due: asyncio.Queue[PlaceKey] = asyncio.Queue()
        self._outbound = Outbound(Exceptions.parse(["https://127.0.0.0/8:*"]))
        around = Around(time.monotonic, time.time, lambda _: None, self._used)
        self.places = Places(self._add, lambda *_: None, lambda _: None, around)
        self.streams = Streams(
            self.places, self._push, self.ended.append, time.monotonic, lambda: 0.5
        )

    def _add(self, place: PlaceKey, _: Lane) -> None:
        self._due.put_nowait(place)

    def _used(self, connection: Key) -> None:
        self.streams.look_at(connection)

    def _push(self, connection: Key) -> None:
        wait = self.places.refresh(connection)
        if wait < 60:
            asyncio.get_running_loop().call_later(wait, self._push, connection)

    def connect(self) -> None:
        given = {
            "address": self.server.url,
            "caBundle": self.server.certificate,
            "project": "shop",
            "config": "prd",
            "tokenSecretRef": {"name": "t"},
            "watch": True,
        }
        settings = doppler.Settings.model_validate(given)
        session = doppler.session(settings, {"token": TOKEN.encode()}, self._outbound)
        self.places.connect(CONNECTION, object(), session, 0.0)
        self.places.use(USER, {PLACE: 3600.0})

    async def fetch(self) -> None:
        while True:
            place = await self._due.get()
            wait = await self.places(place)
            if wait < 60:
                asyncio.get_running_loop().call_later(wait, self._due.put_nowait, place)

    async def close(self) -> None:
        await self._outbound.close()

    @property
    def value(self) -> bytes | None:
        document = self.places.look(PLACE).document
        return document.values.get("A") if document else None

    @property
    def watches(self) -> list[int | None]:
        return [e.status for e in self.server.record if e.path == WATCH]


@asynccontextmanager
async def listening(**state: float) -> AsyncIterator[Listener]:
    there = State(
        configs={CONFIG: {"A": "1"}}, tokens={TOKEN: Token(config=CONFIG)}, **state
    )
    async with Server(Doppler(there), https=True) as server:
        listener = Listener(server)
        tasks = [
            asyncio.create_task(each)
            for each in (listener.streams.run(), listener.fetch())
        ]
        try:
            yield listener
            assert not any(task.done() for task in tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await listener.close()


async def until(check: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if check():
            return
        await asyncio.sleep(0.02)
    raise AssertionError


Story = Callable[[Listener], Coroutine[None, None, None]]


def told(story: Story, **state: float) -> None:
    async def whole() -> None:
        async with listening(**state) as listener:
            listener.connect()
            await until(lambda: listener.value == b"1")
            await story(listener)

    run(whole())


def change(listener: Listener, value: str) -> None:
    listener.server.vault.state.configs[CONFIG]["A"] = value


def test_a_change_is_fetched_by_one_stream() -> None:
    async def story(listener: Listener) -> None:
        for value in ("2", "3"):
            change(listener, value)
            await until(lambda: listener.value == value.encode())  # noqa: B023
        assert listener.watches == [200]
        assert len(listener.streams) == 1

    told(story)


def test_what_changed_while_a_stream_was_cut_is_fetched_when_it_is_back() -> None:
    async def story(listener: Listener) -> None:
        await until(lambda: len(listener.streams) == 1)
        await listener.server.refuse()
        await until(lambda: "Unreachable" in listener.ended)
        change(listener, "2")
        await listener.server.listen()
        await until(lambda: listener.value == b"2")

    told(story)


def test_a_silent_stream_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doppler, "_SILENCE_SECONDS", 0.5)

    async def story(listener: Listener) -> None:
        await until(lambda: len(listener.watches) > 1)
        assert set(listener.ended) == {"Unreachable"}
        change(listener, "2")
        await until(lambda: listener.value == b"2")

    told(story, ping_seconds=1e9)


def test_a_token_that_is_revoked_ends_no_other_work() -> None:
    async def story(listener: Listener) -> None:
        await until(lambda: len(listener.streams) == 1)
        listener.server.vault.state.tokens.clear()
        await listener.server.refuse()
        await listener.server.listen()
        await until(lambda: "AuthenticationFailed" in listener.ended)
        assert listener.value == b"1"
        assert listener.places.health(CONNECTION) is None

    told(story)


def test_a_connection_that_goes_ends_its_stream_at_the_vault() -> None:
    async def story(listener: Listener) -> None:
        await until(lambda: len(listener.streams) == 1)
        listener.places.disconnect(CONNECTION)
        await until(lambda: len(listener.streams) == 0)
        assert listener.watches == [200]
        assert listener.ended == []

    told(story)
