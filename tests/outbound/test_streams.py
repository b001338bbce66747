"""Answers that go on, line by line."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.outbound.loopback import (
    BAD,
    NAME,
    Say,
    answer,
    ask,
    listening,
    outbound,
    refused,
)
from tests.running import run
from vaultferry.outbound import Outbound, Unreachable

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
LIMIT = 100


def saying(*parts: bytes, pause: float = 0.05) -> Say:
    """Return what says its parts one after the other."""

    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return say


async def lines(made: Outbound, port: int, silence: float = 5) -> list[bytes]:
    """Return all lines, then how it ended, if that was no end."""
    got: list[bytes] = []
    async with made.stream(
        f"http://{NAME}:{port}/events",
        headers={"Accept": "text/event-stream"},
        ca=None,
        limit=LIMIT,
        seconds=5,
        silence=silence,
    ) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream"
        await _gather(got, stream.lines)
    return got


async def _gather(got: list[bytes], said: AsyncIterator[bytes]) -> None:
    try:
        async for line in said:
            got += [line]
    except Unreachable as error:
        got += [b"! " + error.detail.encode(), *[b"context"] * bool(error.__context__)]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([b"data: 1\n\n", b"data: 2\n\n"], [b"data: 1", b"", b"data: 2", b""]),
        ([b"da", b"ta: 1\r", b"\ndata", b": 2\n"], [b"data: 1", b"data: 2"]),
        ([b"a\nb\r\nc\n"], [b"a", b"b", b"c"]),
        ([b"data: 1\nda"], [b"data: 1"]),
        ([b"a" * LIMIT, b"\n", b"a" * LIMIT + b"\n"], [b"a" * LIMIT] * 2),
        ([b"a\n", b"a" * LIMIT, b"a"], [b"a", b"! too-large"]),
        ([], []),
    ],
)
def test_lines_are_whole(parts: list[bytes], said: list[bytes]) -> None:
    async def story() -> None:
        async with listening(saying(HEAD, *parts)) as good, outbound() as made:
            assert await lines(made, good.port) == said

    run(story())


def test_a_stream_may_go_on_for_longer_than_it_may_be_silent() -> None:
    async def story() -> None:
        parts = [HEAD, *[b"."] * 8, b"\n"]
        async with listening(saying(*parts, pause=0.3)) as good, outbound() as made:
            assert await lines(made, good.port, silence=2) == [b"." * 8]

    run(story())


def test_a_stream_that_is_silent_for_too_long_broke_off() -> None:
    async def story() -> None:
        say = saying(HEAD, b"a\n", pause=1)
        async with listening(say) as good, outbound() as made:
            assert await lines(made, good.port, silence=0.3) == [b"! timeout"]

    run(story())


def test_a_stream_that_is_cut_in_a_chunk_broke_off() -> None:
    async def story() -> None:
        head = HEAD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        say = saying(head, b"2\r\na\n\r\n", b"5\r\nb\n")
        async with listening(say) as good, outbound() as made:
            assert await lines(made, good.port) == [b"a", b"b", b"! reset"]

    run(story())


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        (f"http://{BAD}:1/", "refused-address"),
        (f"http://{NAME}:1/", "connect"),
        (f"http://{NAME}:{{}}/", "timeout"),
    ],
)
def test_a_stream_that_does_not_begin_is_one_word(url: str, detail: str) -> None:
    async def story() -> None:
        async with listening(saying(b"", pause=5)) as good, outbound() as made:
            with pytest.raises(Unreachable) as caught:
                async with made.stream(
                    url.format(good.port),
                    headers={},
                    ca=None,
                    limit=LIMIT,
                    seconds=0.3,
                    silence=20,
                ):
                    pass

            assert caught.value.detail == detail
            assert caught.value.__context__ is None

    run(story())


def test_streams_do_not_use_up_the_connections_of_calls() -> None:
    async def story() -> None:
        say = saying(HEAD, pause=5)
        async with listening(say) as good, outbound() as made:
            url = f"http://{NAME}:{good.port}/"
            streams = [asyncio.ensure_future(lines(made, good.port)) for _ in range(20)]
            while len(good.requests) < 20:  # noqa: ASYNC110 - the streams fill it
                await asyncio.sleep(0.01)

            # What begins and does not end is no answer to a call.
            assert await refused(made, url) == "protocol"
            assert not any(stream.done() for stream in streams)

            for stream in streams:
                stream.cancel()
            await asyncio.gather(*streams, return_exceptions=True)

    run(story())


def test_a_stream_is_not_closed_because_it_is_old() -> None:
    now = [1000.0]

    async def story() -> None:
        say = saying(HEAD, b"a\n", b"b\n", pause=0.2)
        async with (
            listening(say) as good,
            listening(answer()) as other,
            outbound(clock=lambda: now[0]) as made,
        ):
            task = asyncio.ensure_future(lines(made, good.port))
            while not good.requests:  # noqa: ASYNC110 - another task fills it
                await asyncio.sleep(0.01)
            now[0] += 10_000
            await ask(made, f"http://{NAME}:{other.port}/")

            assert await task == [b"a", b"b"]

    run(story())
