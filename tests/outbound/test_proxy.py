"""One explicit proxy, which resolves the names."""

import asyncio
from base64 import b64encode
from pathlib import Path

import pytest

from tests.outbound.certificates import Authority
from tests.outbound.loopback import (
    BAD,
    GOOD,
    NAME,
    Answers,
    answer,
    ask,
    listening,
    outbound,
    refused,
)
from tests.running import run
from vaultferry.core.addresses import Exceptions
from vaultferry.outbound import Outbound

PROXY = "proxy.example.com"
SAID = answer(b"said")

# The proxy stands where no connection may lead; the name of the vault leads nowhere.
ANSWERS: Answers = {PROXY: [[BAD]], NAME: [[]]}


async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Connect to the port that was asked for, whatever the host, and copy."""
    port = int((await asked(reader)).split()[1].rpartition(":")[2])
    there = await asyncio.open_connection(GOOD, port)
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))


async def asked(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\r\n\r\n")).decode()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(10_000):
        writer.write(data)
    writer.close()


def test_https_goes_through_a_tunnel_and_is_checked(tmp_path: Path) -> None:
    authority, other = Authority.made(), Authority.made()

    async def story() -> None:
        tls = authority.server(tmp_path, NAME)
        server = await asyncio.start_server(tunnel, BAD, 0)
        port = server.sockets[0].getsockname()[1]
        proxy = f"http://{PROXY}:{port}"
        async with (
            server,
            listening(SAID, tls=tls) as good,
            outbound(proxy=proxy, answers=ANSWERS) as made,
        ):
            url = f"https://{NAME}:{good.port}/"

            assert (await ask(made, url, ca=authority.pem)).body == b"said"
            assert await refused(made, url, ca=other.pem) == "tls"
            assert len(good.requests) == 1

    run(story())


@pytest.mark.parametrize("user", ["", "some:word@"])
def test_http_by_exception_is_asked_of_the_proxy(user: str) -> None:
    async def story() -> None:
        async with listening(SAID, BAD) as proxy:
            where = f"http://{user}{PROXY}:{proxy.port}"
            name = f"http://{NAME}"
            async with outbound(name, proxy=where, answers=ANSWERS) as made:
                assert (await ask(made, f"{name}/v1?a=b")).body == b"said"

            head = proxy.requests[0].decode()
            assert head.startswith(f"GET {name}/v1?a=b HTTP/1.1\r\n")
            basic = b64encode(b"some:word").decode()
            assert (f"Proxy-Authorization: Basic {basic}\r\n" in head) is bool(user)

    run(story())


def test_who_the_proxy_s_user_is_is_told_to_the_proxy_alone() -> None:
    async def story() -> None:
        async with listening(answer(b"", "403 x"), BAD) as proxy:
            where = f"http://some:word@{PROXY}:{proxy.port}"
            async with outbound(proxy=where, answers=ANSWERS) as made:
                await refused(made, f"https://{NAME}/")

            head = proxy.requests[0].decode()
            assert head.startswith(f"CONNECT {NAME}:443 HTTP/1.1\r\n")
            assert "Proxy-Authorization: Basic" in head
            assert "canary-token" not in head

    run(story())


@pytest.mark.parametrize("status", ["403 x", "407 x", "502 x"])
def test_a_proxy_that_refuses_is_no_answer_of_the_vault(status: str) -> None:
    async def story() -> None:
        said = answer(b"canary", status)
        async with listening(said, BAD) as proxy:
            where = f"http://{PROXY}:{proxy.port}"
            async with outbound(proxy=where, answers=ANSWERS) as made:
                assert await refused(made, f"https://{NAME}/") == "connect"

    run(story())


def test_a_proxy_that_is_gone_is_one_word() -> None:
    async def story() -> None:
        async with listening(SAID, BAD) as gone:
            where = f"http://{PROXY}:{gone.port}"
        async with outbound(proxy=where, answers=ANSWERS) as made:
            assert await refused(made, f"https://{NAME}/") == "connect"
        async with outbound(proxy=where, answers={PROXY: [[]]}) as made:
            assert await refused(made, f"https://{NAME}/") == "resolve"

    run(story())


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "kubernetes.default.svc",
        "metadata.google.internal",
        "metadata.goog",
    ],
)
def test_what_shows_without_resolving_is_refused_before_the_proxy(host: str) -> None:
    async def story() -> None:
        async with listening(SAID, BAD) as proxy:
            where = f"http://{PROXY}:{proxy.port}"
            async with outbound(
                "https://172.16.0.0/12", proxy=where, answers=ANSWERS
            ) as made:
                assert await refused(made, f"https://{host}/") == "refused-address"

            assert proxy.connections == 0

    run(story())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "proxy:3128",
        "https://proxy:3128",
        "socks5://proxy:1080",
        "http://",
        "http://proxy:3128/path",
        "http://user:canary@proxy:3128?",
        "http://user:canary@proxy :3128",
        "http://user:canary@a@b",
    ],
)
def test_a_proxy_that_is_none_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="write http://HOST:PORT") as caught:
        Outbound(Exceptions(), text)

    assert "canary" not in str(caught.value)
