"""Streams of a vault: had once, ended with what they are for, asked for ever less."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from tests.running import run
from tests.vault import ListeningVault
from vaultferry.core.errors import (
    AuthenticationFailed,
    Failure,
    PlaceForbidden,
    PlaceMissing,
    RateLimited,
    Unreachable,
)
from vaultferry.operator import streams
from vaultferry.operator.streams import Streams
from vaultferry.places import Around, PlaceKey, Places
from vaultferry.views import Key

CONNECTION = Key("team", "vault")
USER = Key("team", "db")
HOUR = 3600.0


class Clock:
    """A clock that goes on when somebody sleeps; it takes the place of asyncio's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []
        self._sleepers: list[tuple[float, asyncio.Event]] = []
        monkeypatch.setattr(streams, "asyncio", self)
        self.Event = asyncio.Event
        self.TaskGroup = asyncio.TaskGroup
        self.Task = asyncio.Task

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        woken = asyncio.Event()
        self._sleepers.append((self.now + seconds, woken))
        await woken.wait()

    async def work(self, seconds: float) -> None:
        """Let time pass, and each sleeper wake in its turn."""
        end = self.now + seconds
        await _settle()
        while due := [each for each in self._sleepers if each[0] <= end]:
            first = min(due, key=lambda each: each[0])
            self._sleepers.remove(first)
            self.now = max(self.now, first[0])
            first[1].set()
            await _settle()
        self.now = end


async def _settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


class Ear:
    """Streams, and the places that they listen for."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.pushed: list[float] = []
        self.counted: list[str] = []
        self.vault = ListeningVault({"a": {"A": b"1"}})
        self.asked: list[float] = []
        around = Around(
            lambda: clock.now, lambda: clock.now, lambda _: None, self._used
        )
        self.places = Places(lambda *_: None, lambda *_: None, lambda _: None, around)
        self.streams = Streams(
            self.places,
            lambda _: self.pushed.append(clock.now),
            self._count,
            lambda: clock.now,
            lambda: 0.5,
        )

    def _used(self, connection: Key) -> None:
        self.streams.look_at(connection)

    def _count(self, reason: str) -> None:
        self.counted.append(reason)
        self.asked.append(self.clock.now)

    def connect(self, vault: ListeningVault | None = None) -> None:
        """Open a session, in place of another one, and have somebody use it."""
        self.places.connect(CONNECTION, object(), vault or self.vault, -1e9)
        self.use()

    def use(self) -> None:
        self.places.use(USER, {PlaceKey(CONNECTION, "a"): HOUR})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.streams.run())
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch) -> Ear:
    return Ear(Clock(monkeypatch))


def lives(ear: Ear, seconds: float, *acts: Callable[[], None]) -> None:
    """Listen for so long after each act."""

    async def story() -> None:
        async with ear.running():
            await _settle()
            for act in acts or (ear.connect,):
                act()
                await ear.clock.work(seconds)

    run(story())


def test_a_change_is_told_as_soon_as_it_is_heard(ear: Ear) -> None:
    ear.vault.says = [3]
    lives(ear, 1.0)

    assert ear.pushed == [1_000.0] * 3
    assert ear.counted == ["ended"]


def test_nobody_listens_for_those_who_use_nothing(ear: Ear) -> None:
    def nothing() -> None:
        ear.places.connect(CONNECTION, 1, ear.vault, 0.0)

    lives(ear, HOUR, nothing)
    assert ear.vault.streams == 0


def forever(*says: int) -> ListeningVault:
    """Return a vault whose streams do not end."""
    return ListeningVault({"a": {}}, says=list(says), lasts=1e9)


def test_one_stream_is_open_for_a_connection(ear: Ear) -> None:
    vault = forever(1)

    def seen() -> None:
        assert len(ear.streams) == 1

    def more() -> None:
        other = Key("team", "other")
        ear.places.use(other, {PlaceKey(CONNECTION, "b"): HOUR})
        ear.streams.look_at(CONNECTION)

    lives(ear, HOUR, lambda: ear.connect(vault), seen, more, seen)

    assert vault.streams == 1
    assert ear.counted == []
    assert len(ear.streams) == 0


@pytest.mark.parametrize("how", ["deleted", "unused"])
def test_a_stream_ends_with_its_connection_or_its_users(ear: Ear, how: str) -> None:
    vault = forever(1)

    def end() -> None:
        if how == "deleted":
            ear.places.disconnect(CONNECTION)
        else:
            ear.places.forget(USER)

    def is_open(*, well: bool) -> None:
        assert len(ear.streams) == well

    lives(
        ear,
        HOUR,
        lambda: ear.connect(vault),
        lambda: is_open(well=True),
        end,
        lambda: is_open(well=False),
    )

    assert vault.streams == 1
    assert ear.counted == []


def test_another_token_takes_another_stream(ear: Ear) -> None:
    first, second = forever(1), forever(1)
    lives(ear, 10.0, lambda: ear.connect(first), lambda: ear.connect(second))

    assert (first.streams, second.streams) == (1, 1)
    assert len(ear.pushed) == 2


def test_a_stream_that_ends_at_once_is_asked_for_ever_less(ear: Ear) -> None:
    ear.vault.says = [1] * 1_000
    lives(ear, 24 * HOUR)

    pauses = [after - before for before, after in pairwise(ear.asked)]
    assert pauses[0] < 10
    assert min(pauses[1:]) > 60
    assert pauses == sorted(pauses)
    assert max(pauses) < 600
    # After each of them there is a look, because nobody knows what was missed.
    assert len(ear.pushed) == ear.vault.streams


def test_a_vault_that_is_dead_is_asked_once_a_minute_at_most(ear: Ear) -> None:
    ear.vault.says = [Unreachable("away")] * 1_000
    lives(ear, 24 * HOUR)

    minutes = Counter(int(asked // 60) for asked in ear.asked[2:])
    assert max(minutes.values()) == 1
    assert ear.pushed == []


def test_a_vault_that_fails_is_not_asked_for_a_stream(ear: Ear) -> None:
    ear.vault.failure = Unreachable("away")

    async def story() -> None:
        ear.places.connect(CONNECTION, 1, ear.vault, 0.0)
        await ear.places.check(CONNECTION)
        async with ear.running():
            ear.use()
            await ear.clock.work(HOUR)
            assert ear.vault.streams == 0
            assert len(ear.clock.slept) < HOUR

            ear.vault.failure = None
            await ear.places.check(CONNECTION)
            ear.vault.says = [1]
            await ear.clock.work(10.0)
            assert ear.pushed != []

    run(story())


def test_once_a_vault_is_known_to_be_dead_one_call_a_minute_is_made_in_all(
    ear: Ear,
) -> None:
    ear.vault.failure = Unreachable("away")
    ear.vault.says = [ear.vault.failure] * 1_000

    async def story() -> None:
        async with ear.running():
            ear.connect()
            # Nothing is due: it is the check without traffic that finds out.
            await ear.clock.work(300.0)
            assert 2 < ear.vault.streams < 6
            streams = ear.vault.streams
            for _ in range(60):
                await ear.places.check(CONNECTION)
                await ear.clock.work(60.0)
            assert (ear.vault.streams, len(ear.vault.calls)) == (streams, 60)

    run(story())


@pytest.mark.parametrize(
    ("failure", "most"),
    [
        (AuthenticationFailed("no"), 400),
        (RateLimited("often", wait=900.0), 90),
        (PlaceForbidden("no"), 50),
        (PlaceMissing("no"), 50),
    ],
    ids=lambda value: getattr(value, "reason", None),
)
def test_what_the_vault_refuses_is_asked_for_seldom(
    ear: Ear, failure: Failure, most: int
) -> None:
    ear.vault.says = [failure] * 1_000
    lives(ear, 24 * HOUR)

    assert 2 < ear.vault.streams <= most
    assert set(ear.counted) == {failure.reason}
    assert ear.places.health(CONNECTION) is None


def test_a_stream_that_lasted_is_had_again_in_a_moment(ear: Ear) -> None:
    class Lasting(ListeningVault):
        async def changes(self) -> AsyncGenerator[None, None]:
            self.streams += 1
            yield
            await ear.clock.sleep(120.0)

    vault = Lasting({"a": {}})
    lives(ear, HOUR, lambda: ear.connect(vault))

    assert vault.streams == pytest.approx(HOUR / 124, abs=1)
    assert len(ear.pushed) == vault.streams


def test_streams_of_many_are_asked_for_one_after_the_other(ear: Ear) -> None:
    began: list[float] = []

    class Noting(ListeningVault):
        async def changes(self) -> AsyncGenerator[None, None]:
            began.append(ear.clock.now)
            await ear.clock.sleep(1e9)
            yield

    def many() -> None:
        for number in range(100):
            key = Key("team", f"vault-{number}")
            ear.places.connect(key, 1, Noting({}), 0.0)
            ear.places.use(Key("team", f"db-{number}"), {PlaceKey(key, "a"): HOUR})

    lives(ear, HOUR, many)

    assert len(began) == 100
    assert began[-1] - began[0] == pytest.approx(99 / 4)


def test_what_breaks_is_logged_and_stops_no_other(
    ear: Ear, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(ListeningVault):
        async def changes(self) -> AsyncGenerator[None, None]:
            raise RuntimeError
            yield

    def both() -> None:
        other = Key("team", "other")
        ear.places.connect(other, 1, Broken({}), 0.0)
        ear.places.use(Key("team", "x"), {PlaceKey(other, "a"): HOUR})
        ear.connect(forever(1))

    lives(ear, 10.0, both)

    assert ear.pushed != []
    assert "listening broke" in capsys.readouterr().out
