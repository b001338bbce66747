"""Each fault, seen by a plain client before a small server."""

import asyncio
import json
import random
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp
import pytest
from aiohttp import web

from tests.controlplane.certificates import Authority
from tests.faults import faults
from tests.faults.asked import Asked, asking, not_leading
from tests.faults.exchange import Exchange
from tests.faults.faults import Doubled, Replay, Swapped, When
from tests.faults.proxy import Proxy, serving_context
from tests.faults.record import Entry
from tests.faults.rules import Rule

_CLOSING_SECONDS = 0.2
TEXT = b"0123456789" * 100
SECRETS = "/api/v1/namespaces/shop/secrets"


class Server:
    """A server that counts what it is asked, and streams lines when told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.authority = Authority("server")
        self.url = ""
        self.loop = asyncio.new_event_loop()
        self.lines: asyncio.Queue[bytes] = asyncio.Queue()

    def say(self, *lines: bytes) -> None:
        """Send lines to whoever watches."""
        for line in lines:
            self.loop.call_soon_threadsafe(self.lines.put_nowait, line + b"\n")

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        if "watch" in request.query:
            return await self._stream(request)
        body = await request.read()
        count = str(len(self.asked))
        return web.Response(body=body or TEXT, headers={"X-Count": count})

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(await self.lines.get())


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[None]:
    served = web.Server(server.handle, handler_cancellation=True, access_log=None)
    runner = web.ServerRunner(served, shutdown_timeout=0.1)
    await runner.setup()
    context = serving_context(server.authority)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    server.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield
    finally:
        await runner.cleanup()
        await asyncio.sleep(_CLOSING_SECONDS)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    up, down = threading.Event(), asyncio.Event()

    async def live() -> None:
        async with listening(made):
            up.set()
            await down.wait()

    thread = threading.Thread(target=made.loop.run_until_complete, args=[live()])
    thread.start()
    assert up.wait(10)
    yield made
    made.loop.call_soon_threadsafe(down.set)
    thread.join(10)
    made.loop.close()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.url, server.authority.certificate).serving() as started:
        yield started


Use = Callable[[aiohttp.ClientSession], Coroutine[Any, Any, Any]]


def client(proxy: Proxy, use: Use) -> Any:
    """Let a client that trusts the proxy do something; return what it returns."""

    async def session() -> Any:
        context = ssl.create_default_context(cadata=proxy.certificate)
        connector = aiohttp.TCPConnector(ssl=context)
        limits = aiohttp.ClientTimeout(total=5)
        try:
            async with aiohttp.ClientSession(
                proxy.url, connector=connector, timeout=limits
            ) as made:
                return await use(made)
        finally:
            # What was closed is let go by the loop, in its next rounds.
            await asyncio.sleep(_CLOSING_SECONDS)

    return asyncio.run(session())


def get(proxy: Proxy, path: str = "/") -> tuple[int, bytes]:
    async def use(session: aiohttp.ClientSession) -> tuple[int, bytes]:
        async with session.get(path) as answer:
            return answer.status, await answer.read()

    found: tuple[int, bytes] = client(proxy, use)
    return found


def post(proxy: Proxy) -> int:
    """Ask for what aiohttp does not ask for again by itself."""

    async def use(session: aiohttp.ClientSession) -> int:
        async with session.post("/") as answer:
            await answer.read()
            return answer.status

    status: int = client(proxy, use)
    return status


def failure(proxy: Proxy) -> BaseException:
    try:
        got = post(proxy)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return error
    raise AssertionError(got)


def rule(fault: Any, **how: Any) -> Rule:
    return Rule("test", fault, **how)


def test_what_no_rule_is_for_is_passed_and_recorded(
    proxy: Proxy, server: Server
) -> None:
    async def use(session: aiohttp.ClientSession) -> tuple[bytes, str]:
        async with session.post("/a%2Fb?c=d%20e", data=b"body") as answer:
            return await answer.read(), answer.headers["X-Count"]

    assert client(proxy, use) == (b"body", "1")
    assert get(proxy) == (200, TEXT)
    assert server.asked == ["POST /a%2Fb?c=d%20e", "GET /"]
    assert proxy.record == [
        Entry(1, "POST", "/a%2Fb?c=d%20e", 200),
        Entry(2, "GET", "/", 200),
    ]
    assert "body" not in str(proxy.record)


def test_a_rule_is_for_the_requests_that_it_counts(proxy: Proxy) -> None:
    one = rule(
        faults.answered(418), matches=lambda e: e.method == "GET", skip=1, times=2
    )

    with proxy.doing(one):
        statuses = [get(proxy)[0] for _ in range(4)]

    assert statuses == [200, 418, 418, 200]
    assert [entry.fault for entry in proxy.record] == ["", "test", "test", ""]
    assert one.done == 2
    assert get(proxy)[0] == 200


def test_an_answer_is_given_instead_of_the_server(proxy: Proxy, server: Server) -> None:
    async def use(session: aiohttp.ClientSession) -> tuple[int, Any, str]:
        async with session.get("/") as answer:
            body = json.loads(await answer.read())
            return answer.status, body["code"], answer.headers["Retry-After"]

    with proxy.doing(rule(faults.status(429, Retry_After="7"))):
        assert client(proxy, use) == (429, 429, "7")
    assert server.asked == []
    assert proxy.record[0].status is None


def test_a_dropped_request_is_never_answered(proxy: Proxy, server: Server) -> None:
    async def use(session: aiohttp.ClientSession) -> None:
        limits = aiohttp.ClientTimeout(total=0.3)
        async with session.get("/", timeout=limits):
            pass

    with proxy.doing(rule(faults.dropped)), pytest.raises(TimeoutError):
        client(proxy, use)
    assert server.asked == []


@pytest.mark.parametrize(("fault", "asked"), [("reset", 0), ("unanswered", 1)])
def test_a_connection_is_reset_before_or_after_the_server_has_acted(
    fault: str, asked: int, proxy: Proxy, server: Server
) -> None:
    with proxy.doing(rule(getattr(faults, fault))):
        error = failure(proxy)

    assert isinstance(error, ConnectionResetError) or isinstance(
        error.__cause__, ConnectionResetError
    )
    assert len(server.asked) == asked


def test_a_delayed_request_comes_later(proxy: Proxy) -> None:
    async def use(session: aiohttp.ClientSession) -> float:
        began = asyncio.get_running_loop().time()
        async with session.get("/") as answer:
            assert await answer.read() == TEXT
        return asyncio.get_running_loop().time() - began

    with proxy.doing(rule(faults.delayed(0.3))):
        assert client(proxy, use) >= 0.3


def test_a_held_request_waits_until_it_is_let_go(proxy: Proxy, server: Server) -> None:
    held = faults.Held()

    async def use(session: aiohttp.ClientSession) -> int:
        asking = asyncio.ensure_future(session.get("/"))
        await asyncio.sleep(0.2)
        assert server.asked == []
        await asyncio.to_thread(proxy.call, held.release())
        async with await asking as answer:
            return answer.status

    with proxy.doing(rule(held)):
        assert client(proxy, use) == 200


def test_a_body_is_cut_at_a_byte(proxy: Proxy) -> None:
    async def use(session: aiohttp.ClientSession) -> bytes:
        got = b""
        async with session.get("/") as answer:
            try:
                async for data in answer.content.iter_any():
                    got += data
            except aiohttp.ClientPayloadError:
                return got
        raise AssertionError("it was whole")

    with proxy.doing(rule(faults.cut(123))):
        assert client(proxy, use) == TEXT[:123]


def test_a_body_comes_in_pieces(proxy: Proxy) -> None:
    async def use(session: aiohttp.ClientSession) -> list[bytes]:
        async with session.get("/") as answer:
            return [data async for data in answer.content.iter_any()]

    with proxy.doing(rule(faults.split(100))):
        pieces = client(proxy, use)

    assert b"".join(pieces) == TEXT
    assert len(pieces) > 3


def test_a_stale_read_is_the_earlier_answer_of_the_same_read(
    proxy: Proxy, server: Server
) -> None:
    replay = Replay()

    async def use(session: aiohttp.ClientSession) -> list[str]:
        counts = []
        for path in ("/a", "/b", "/a", "/c"):
            async with session.get(path) as answer:
                counts.append(str(await answer.read(), "ascii")[:1])
            replay.stale = path == "/b" or replay.stale
        return counts

    with proxy.doing(rule(replay)):
        client(proxy, use)

    assert server.asked == ["GET /a", "GET /b", "GET /c"]
    assert replay.replayed == 1


class Watcher:
    """A client that watches in a thread of its own."""

    def __init__(self, proxy: Proxy) -> None:
        self.lines: list[bytes] = []
        self.ended: BaseException | None = None
        self._proxy = proxy

    def __enter__(self) -> Self:
        self._up = threading.Event()
        self._thread = threading.Thread(target=client, args=[self._proxy, self._read])
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._left.set)
        self._thread.join(10)

    async def _read(self, session: aiohttp.ClientSession) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = asyncio.Event()
        reading = asyncio.ensure_future(self._lines(session))
        self._up.set()
        await self._left.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    async def _lines(self, session: aiohttp.ClientSession) -> None:
        try:
            async with session.get(SECRETS + "?watch=true") as answer:
                async for line in answer.content:
                    self.lines.append(line)
        except (aiohttp.ClientError, OSError) as error:
            self.ended = error

    def wait(self, check: Callable[["Watcher"], bool]) -> None:
        for _ in range(500):
            if check(self):
                return
            time.sleep(0.01)
        raise AssertionError(self.lines, self.ended)


WATCH = asking("watch", "secrets", "shop")


def test_lines_of_a_watch_are_withheld_until_released(
    proxy: Proxy, server: Server
) -> None:
    withheld = rule(faults.withheld(lambda line: b"x" in line), matches=WATCH)

    with proxy.doing(withheld), Watcher(proxy) as watcher:
        server.say(b"a", b"x1", b"b", b"x2")
        watcher.wait(lambda w: w.lines == [b"a\n", b"b\n"])

        assert proxy.strike(WATCH, Exchange.release) == 1

        watcher.wait(lambda w: w.lines[2:] == [b"x1\n", b"x2\n"])
        server.say(b"x3")
        watcher.wait(lambda w: w.lines[4:] == [b"x3\n"])


def told_of(name: str, version: int) -> bytes:
    metadata = {"namespace": "shop", "name": name, "resourceVersion": str(version)}
    return json.dumps({"type": "MODIFIED", "object": {"metadata": metadata}}).encode()


def test_lines_of_a_watch_that_is_open_are_told_twice(
    proxy: Proxy, server: Server
) -> None:
    with Watcher(proxy) as watcher:
        server.say(b"a")
        watcher.wait(lambda w: w.lines == [b"a\n"])

        assert proxy.strike(WATCH, Doubled()) == 1
        server.say(b"b", b"c")

        watcher.wait(lambda w: w.lines[1:] == [b"b\n", b"b\n", b"c\n", b"c\n"])


def test_two_events_of_a_watch_are_swapped_if_they_are_of_two_objects(
    proxy: Proxy, server: Server
) -> None:
    one, again, other, last = (told_of(name, n) for n, name in enumerate("aabc"))
    bookmark = b'{"type": "BOOKMARK", "object": {"metadata": {}}}'
    swapped = Swapped()
    with Watcher(proxy) as watcher:
        server.say(b"a")
        watcher.wait(lambda w: w.lines == [b"a\n"])

        assert proxy.strike(WATCH, swapped) == 1
        server.say(one, again, one, bookmark, one, other, last)

        told = [one, again, one, bookmark, other, one, last]
        watcher.wait(lambda w: w.lines[1:] == [line + b"\n" for line in told])
    assert swapped.done == 1


def test_a_watch_that_is_open_goes_silent(proxy: Proxy, server: Server) -> None:
    with Watcher(proxy) as watcher:
        server.say(b"a")
        watcher.wait(lambda w: w.lines == [b"a\n"])

        assert proxy.strike(WATCH, faults.silence) == 1
        server.say(b"b")
        watcher.wait(lambda _: server.lines.empty())

        assert (watcher.lines, watcher.ended) == ([b"a\n"], None)


def test_a_watch_that_is_open_is_told_anything(proxy: Proxy, server: Server) -> None:
    with Watcher(proxy) as watcher:
        server.say(b"a")
        watcher.wait(lambda w: w.lines == [b"a\n"])

        assert proxy.strike(WATCH, faults.told(b"<html>")) == 1
        server.say(b"b")

        watcher.wait(lambda w: w.lines == [b"a\n", b"<html>\n", b"b\n"])


def test_a_watch_that_is_open_is_reset(proxy: Proxy, server: Server) -> None:
    with Watcher(proxy) as watcher:
        server.say(b"a")
        watcher.wait(lambda w: w.lines == [b"a\n"])

        assert proxy.strike(WATCH, faults.broken) == 1

        watcher.wait(lambda w: w.ended is not None)


def test_a_watch_that_is_open_ends_in_the_middle_of_a_line(
    proxy: Proxy, server: Server
) -> None:
    with Watcher(proxy) as watcher:
        server.say(b"a")
        watcher.wait(lambda w: w.lines == [b"a\n"])

        assert proxy.strike(WATCH, faults.half) == 1

        watcher.wait(lambda w: isinstance(w.ended, aiohttp.ClientPayloadError))


@pytest.mark.parametrize(
    ("when", "asked", "got"),
    [(When.UNSENT, 0, False), (When.UNANSWERED, 1, False), (When.ANSWERED, 1, True)],
)
def test_a_client_is_killed_at_a_moment_of_a_request(
    when: When, asked: int, proxy: Proxy, server: Server, *, got: bool
) -> None:
    server_had: list[int] = []

    def kill() -> None:
        server_had.append(len(server.asked))

    with proxy.doing(rule(faults.killed(kill, when, random.Random(1)))):
        if got:
            assert post(proxy) == 200
        else:
            failure(proxy)

    assert server_had == [asked]


def test_a_client_is_killed_after_an_endless_answer_has_begun(
    proxy: Proxy, server: Server
) -> None:
    killed: list[list[bytes]] = []
    watcher = Watcher(proxy)
    fault = faults.killed(
        lambda: killed.append(list(watcher.lines)), When.ANSWERED, random.Random(1)
    )

    with proxy.doing(rule(fault, matches=WATCH)), watcher:
        server.say(b"a")
        watcher.wait(lambda _: bool(killed))

    assert killed == [[b"a\n"]]


def test_a_proxy_that_refuses_is_back_on_the_same_port(
    proxy: Proxy, server: Server
) -> None:
    with Watcher(proxy) as watcher:
        server.say(b"a")
        watcher.wait(lambda w: w.lines == [b"a\n"])
        with proxy.refusing():
            assert isinstance(failure(proxy), aiohttp.ClientConnectorError)
            watcher.wait(lambda w: w.ended is not None)

    assert get(proxy) == (200, TEXT)


def test_what_the_server_does_to_the_proxy_is_done_to_the_client() -> None:
    nobody = Proxy("https://127.0.0.1:1", Authority("none").certificate)

    with nobody.serving():
        assert isinstance(failure(nobody), aiohttp.ClientError)

    assert nobody.record[0].status is None


@pytest.mark.parametrize(
    ("method", "target", "asked"),
    [
        ("GET", f"{SECRETS}/db", Asked("get", "secrets", "shop", "db")),
        ("POST", SECRETS, Asked("create", "secrets", "shop")),
        ("GET", "/api/v1/secrets?limit=500", Asked("list", "secrets")),
        ("GET", "/api/v1/secrets?watch=true", Asked("watch", "secrets")),
        ("GET", "/api/v1/namespaces/shop", Asked("get", "namespaces", "", "shop")),
        (
            "PATCH",
            "/apis/vaultferry.dev/v1alpha1/namespaces/shop/vaultsecrets/db/status",
            Asked("patch", "vaultsecrets", "shop", "db", "status"),
        ),
        ("GET", "/version", Asked("get", name="/version")),
    ],
)
def test_a_request_tells_its_verb_and_its_object(
    method: str, target: str, asked: Asked
) -> None:
    assert Asked.of(Entry(1, method, target)) == asked


def test_what_is_about_the_lease_is_told_apart() -> None:
    path = "/apis/coordination.k8s.io/v1/namespaces/vaultferry-system/leases/vaultferry"

    assert not not_leading(Entry(1, "PUT", path))
    assert not_leading(Entry(1, "GET", SECRETS))
