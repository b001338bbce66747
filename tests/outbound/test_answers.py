"""What becomes of answers, and of servers that are late, hostile or gone."""

import asyncio
import gzip
import resource
import socket
from collections.abc import Iterator
from traceback import format_exception

import pytest

from tests.outbound.loopback import (
    GOOD,
    LIMIT,
    NAME,
    Say,
    answer,
    ask,
    listening,
    outbound,
    refused,
)
from tests.running import run
from vaultferry.core.addresses import Exceptions
from vaultferry.outbound import Answer, Outbound, Unreachable

CANARY = b"canary-value"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FOR_EVER = 3600

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(FOR_EVER)
    writer.close()


async def hang_in_head(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    await asyncio.sleep(FOR_EVER)


async def hang_in_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(CANARY)[:-1])
    await asyncio.sleep(FOR_EVER)


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in answer(CANARY * 80):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.01)


async def drip_heads(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(FOR_EVER):
        writer.write(b"X-%d: a\r\n" % number)
        await asyncio.sleep(0.05)


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(CHUNKED)
    for _number in range(10_000):  # 100 MB
        writer.write(b"2710\r\n" + b"a" * 10_000 + b"\r\n")
        await writer.drain()


def bomb() -> bytes:
    """Return 100 MB that are 100 kB on the wire."""
    packed = gzip.compress(bytes(100_000_000), 9)
    return answer(packed, "200 OK", "Content-Encoding: gzip")


def cut(said: bytes) -> Say:
    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    return say


def reset(said: bytes) -> Say:
    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    return say


BROKEN: dict[str, tuple[Say | bytes, str]] = {
    "cut at once": (cut(b""), "reset"),
    "cut in the status": (cut(b"HTTP/1.1 2"), "reset"),
    "cut in the head": (cut(answer(CANARY)[:30]), "reset"),
    "cut in the body": (cut(answer(CANARY)[:-1]), "reset"),
    "cut in a chunk": (cut(CHUNKED + b"c\r\ncanary"), "reset"),
    "cut between chunks": (cut(CHUNKED + b"c\r\n" + CANARY + b"\r\n"), "reset"),
    "reset at once": (reset(b""), "reset"),
    "reset in the body": (reset(answer(CANARY)[:-1]), "reset"),
    "no HTTP": (b"canary-value 1 2 3\r\n\r\n", "protocol"),
    "no number": (b"HTTP/1.1 canary OK\r\n\r\n", "protocol"),
    "no header": (b"HTTP/1.1 200 OK\r\ncanary-value\r\n\r\n", "protocol"),
    "a long header": (answer(b"", "200 OK", "X: " + "canary" * 9000), "protocol"),
    "many headers": (answer(b"", "200 OK", *["X: canary"] * 9000), "protocol"),
    "two lengths": (answer(CANARY, "200 OK", "Content-Length: 3"), "protocol"),
    "a wrong length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "protocol"),
    "without an end": (cut(b"HTTP/1.1 200 OK\r\n\r\n" + CANARY), "protocol"),
    "HTTP/1.0": (cut(b"HTTP/1.0 200 OK\r\n\r\n" + CANARY), "protocol"),
    "compressed": (
        answer(gzip.compress(CANARY), "200 OK", "Content-Encoding: gzip"),
        "protocol",
    ),
    "a gzip bomb": (bomb(), "protocol"),
    "one byte too long": (answer(b"a" * (LIMIT + 1)), "too-large"),
    "a chunk too long": (
        CHUNKED + b"3e9\r\n" + b"a" * 1001 + b"\r\n0\r\n\r\n",
        "too-large",
    ),
    "a length too long": (answer(b"a" * (LIMIT + 1))[:60], "too-large"),
    "100 MB": (endless, "too-large"),
    "silent": (hang, "timeout"),
    "silent in the head": (hang_in_head, "timeout"),
    "silent in the body": (hang_in_body, "timeout"),
    "dripping": (drip, "timeout"),
    "dripping headers": (drip_heads, "timeout"),
}


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all that Python remembers behind it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(("say", "detail"), BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_one_word_in_time(
    say: Say | bytes, detail: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    seconds = 1 if detail == "timeout" else 5

    async def story() -> None:
        async with listening(say) as good, outbound() as made:
            with pytest.raises(Unreachable) as caught:
                await ask(made, f"http://{NAME}:{good.port}/", seconds=seconds)

            assert caught.value.detail == detail
            assert str(caught.value) == detail
            assert list(chain(caught.value)) == [caught.value]
            assert "canary" not in "".join(format_exception(caught.value))
            assert good.connections >= 1

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(story())
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert "canary" not in caplog.text
    assert not [r for r in caplog.records if r.name != "asyncio"]
    assert grown < 50_000  # kB


def test_a_broken_answer_is_no_harm_to_the_next() -> None:
    said = [answer(b"a" * (LIMIT + 1)), answer(b"whole")]

    async def turns(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said.pop(0))
        await writer.drain()

    async def story() -> None:
        async with listening(turns) as good, outbound() as made:
            url = f"http://{NAME}:{good.port}/"

            assert await refused(made, url) == "too-large"
            assert (await ask(made, url)).body == b"whole"

    run(story())


@pytest.mark.parametrize("say", [cut(b""), reset(b"")], ids=["cut", "reset"])
def test_a_new_connection_that_breaks_is_not_tried_again(say: Say) -> None:
    async def story() -> None:
        async with listening(say) as good, outbound() as made:
            url = f"http://{NAME}:{good.port}/"

            assert await refused(made, url) == "reset"
            assert len(good.requests) == 1

    run(story())


def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure() -> None:
    """The server closes it as the second request comes, and takes a new one."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"whole"))
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")

    async def story() -> None:
        async with listening(once) as good, outbound() as made:
            url = f"http://{NAME}:{good.port}/"

            assert [(await ask(made, url)).body for _ in range(2)] == [b"whole"] * 2
            assert good.connections == 2

    run(story())


@pytest.mark.parametrize("status", ["200 OK", "401 x", "404 x", "429 x", "500 x"])
def test_any_status_is_an_answer(status: str) -> None:
    async def story() -> None:
        said = answer(CANARY, status, "X-Some: thing", "x-some: more")
        async with listening(said) as good, outbound() as made:
            got = await ask(made, f"http://{NAME}:{good.port}/")

            assert got.status == int(status[:3])
            assert got.body == CANARY
            assert got.headers["x-some"] == "more"
            assert "canary" not in repr(got)

    run(story())


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\n\r\n"]
)
def test_an_answer_that_cannot_have_a_body_needs_no_length(said: bytes) -> None:
    async def story() -> None:
        async with listening(said) as good, outbound() as made:
            assert (await ask(made, f"http://{NAME}:{good.port}/")).body == b""

    run(story())


@pytest.mark.parametrize(
    "said",
    [answer(b"a" * LIMIT), CHUNKED + b"3e8\r\n" + b"a" * LIMIT + b"\r\n0\r\n\r\n"],
    ids=["with a length", "in chunks"],
)
def test_a_body_may_be_as_long_as_the_limit(said: bytes) -> None:
    async def story() -> None:
        async with listening(said) as good, outbound() as made:
            got = await ask(made, f"http://{NAME}:{good.port}/")

            assert got.body == b"a" * LIMIT

    run(story())


def test_a_request_says_only_what_it_was_given() -> None:
    async def story() -> None:
        cookies = answer(
            b"", "200 OK", "Set-Cookie: a=b", "Set-Cookie: canary\x01=\x02"
        )
        async with listening(cookies) as good, outbound() as made:
            url = f"http://{NAME}:{good.port}/"
            await made.request(
                "GET",
                url,
                headers={"accept-encoding": "gzip", "X-Token": "canary-token"},
                body=None,
                ca=None,
                limit=LIMIT,
                seconds=5,
            )
            await ask(made, url)

            first, second = (r.decode().split("\r\n") for r in good.requests)
            assert sorted(first[1:-2]) == [
                "Accept-Encoding: identity",
                "Accept: */*",
                f"Host: {NAME}:{good.port}",
                "User-Agent: vaultferry",
                "X-Token: canary-token",
            ]
            assert "cookie" not in "".join(second).lower()

    run(story())


def test_cookies_that_are_broken_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)

    async def story() -> None:
        said = answer(b"", "200 OK", "Set-Cookie: canary@[]=a; b", "Set-Cookie: =;")
        async with listening(said) as good, outbound() as made:
            await ask(made, f"http://{NAME}:{good.port}/")

    run(story())
    assert "canary" not in caplog.text


def test_a_body_is_sent_as_it_is() -> None:
    asked = []

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readexactly(len(CANARY)))
        writer.write(answer())

    async def story() -> None:
        async with listening(read) as good, outbound() as made:
            await ask(made, f"http://{NAME}:{good.port}/", body=CANARY)

            assert good.requests[0].startswith(b"POST / HTTP/1.1\r\n")

    run(story())
    assert asked == [CANARY]


@pytest.mark.parametrize("text", ["canary\r\nX: y", "canary\n", "canary\x00"])
def test_a_header_that_is_none_is_not_sent(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)

    async def story() -> None:
        async with listening(answer()) as good, outbound() as made:
            with pytest.raises(Unreachable) as caught:
                await made.request(
                    "GET",
                    f"http://{NAME}:{good.port}/",
                    headers={"Authorization": text},
                    body=None,
                    ca=None,
                    limit=LIMIT,
                    seconds=5,
                )

            assert caught.value.detail == "protocol"
            assert list(chain(caught.value)) == [caught.value]
            assert good.requests == []

    run(story())
    assert "canary" not in caplog.text


def test_where_nobody_listens_the_word_is_connect() -> None:
    async def story() -> None:
        async with listening(answer()) as gone:
            port = gone.port
        async with outbound() as made:
            assert await refused(made, f"http://{NAME}:{port}/") == "connect"
            assert await refused(made, f"http://{GOOD}:{port}/") == "connect"

    run(story())


def test_a_name_without_an_address_is_not_connected_to() -> None:
    async def story() -> None:
        async with outbound(answers={NAME: [[]]}) as made:
            assert await refused(made, f"http://{NAME}/") == "resolve"

    run(story())


def test_a_lookup_takes_its_part_of_the_time() -> None:
    async def silent(_: str) -> list[str]:
        await asyncio.sleep(FOR_EVER)
        return []

    async def story() -> None:
        made = Outbound(Exceptions(), resolve=silent)
        try:
            assert await refused(made, f"https://{NAME}/", seconds=0.2) == "timeout"
        finally:
            await made.close()

    run(story())


@pytest.mark.parametrize("say", [hang, hang_in_body], ids=["hang", "hang_in_body"])
def test_who_is_cancelled_is_cancelled(say: Say) -> None:
    async def story() -> None:
        async with listening(say) as good, outbound() as made:
            task = asyncio.ensure_future(ask(made, f"http://{NAME}:{good.port}/"))
            while not good.requests:  # noqa: ASYNC110 - another task fills it
                await asyncio.sleep(0.01)
            task.cancel()

            with pytest.raises(asyncio.CancelledError):
                await task

    run(story())


def test_calls_to_a_host_share_eight_connections() -> None:
    most = open_ = 0

    async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most, open_
        open_ += 1
        most = max(most, open_)
        await asyncio.sleep(0.05)
        open_ -= 1
        writer.write(answer(b"done"))

    async def story() -> None:
        async with listening(slow) as good, outbound() as made:
            url = f"http://{NAME}:{good.port}/"
            got: list[Answer] = await asyncio.gather(
                *(ask(made, url) for _ in range(40))
            )

            assert {a.body for a in got} == {b"done"}

    run(story())
    assert most == 8
