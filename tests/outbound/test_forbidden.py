"""No form of an address, name or redirect leads to where a tenant has no business.

Listeners stand on the forbidden addresses of this machine, and every attempt to connect
a socket is written down, because most forbidden addresses are elsewhere.
"""

from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.outbound.loopback import (
    BAD,
    GOOD,
    NAME,
    Answers,
    Listener,
    answer,
    ask,
    listening,
    outbound,
    refused,
)
from tests.running import run

Attempts = list[tuple[str, int]]

HOSTS = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.000.000.001",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f.1",
    "0X7F000001",
    "2130706433",
    "017700000001",
    "0",
    "0.0.0.0",  # noqa: S104 - a host, not a place to bind to
    "127.0.0.1%00.example.com",
    "127.0.0.1%2f.example.com",
    "127%2e0%2e0%2e1",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "user@127.0.0.1",
    "vault.example.com@127.0.0.1",
    "127.0.0.1#@vault.example.com",
    "127.0.0.1\\@vault.example.com",
    "127.0.0.1\t",
    "127.0.0.1\r\n",
    " 127.0.0.1",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::1]",
    "[::1%lo]",
    "[::1%25lo]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "[fe80::1%lo]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "localhost.localdomain",
    "a.localhost",
    "ip6-localhost",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "metadata.google.internal",
    "metadata.goog",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "[::ffff:a9fe:a9fe]",
    "[fd00:ec2::254]",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "10.96.0.1",
    "192.168.0.1",
    "172.17.0.1",
    "100.64.0.1",
]

RESOLVED = [
    "127.0.0.1",
    "127.0.0.3",
    "0.0.0.0",  # noqa: S104 - a host, not a place to bind to
    "10.96.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "2001:0:808:808:0:0:80ff:fffe",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
]


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    """Every address that a socket was to be connected to."""
    seen: Attempts = []
    connect = BaseSelectorEventLoop.sock_connect

    async def noted(loop: BaseSelectorEventLoop, sock: Any, address: Any) -> None:
        seen.append(address[:2])
        await connect(loop, sock, address)

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", noted)
    return seen


@asynccontextmanager
async def traps() -> AsyncIterator[list[Listener]]:
    """Listen on the forbidden addresses of this machine, all at one port."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(listening(answer(), BAD))
        others = [
            await stack.enter_async_context(listening(answer(), host, first.port))
            for host in ("127.0.0.3", "::1")
        ]
        yield [first, *others]


def test_the_forms_are_many() -> None:
    assert len({*HOSTS}) + 2 * len({*RESOLVED}) > 120


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", HOSTS, ids=ascii)
def test_no_form_of_a_host_leads_to_what_is_forbidden(
    host: str, scheme: str, attempts: Attempts
) -> None:
    async def story() -> None:
        async with traps() as listeners, outbound(answers=_everything_to(BAD)) as made:
            url = f"{scheme}://{host}:{listeners[0].port}/"

            assert await refused(made, url) == "refused-address"
            assert not any(listener.connections for listener in listeners)

    run(story())
    assert attempts == []


@pytest.mark.parametrize("mixed", [[], [GOOD]], ids=["alone", "mixed"])
@pytest.mark.parametrize("ip", RESOLVED)
def test_no_name_leads_to_what_is_forbidden(
    ip: str, mixed: list[str], attempts: Attempts
) -> None:
    async def story() -> None:
        for found in ([ip, *mixed], [*mixed, ip]):
            async with traps() as traps_, outbound(answers={NAME: [found]}) as made:
                url = f"https://{NAME}:{traps_[0].port}/"

                assert await refused(made, url) == "refused-address"
                assert not any(listener.connections for listener in traps_)

    run(story())
    assert attempts == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost.example.com"])
def test_a_trap_notices_whom_an_exception_lets_through(
    host: str, attempts: Attempts
) -> None:
    async def story() -> None:
        open_ = ("http://127.0.0.0/8:*", "http://[::1]:*")
        answers: Answers = {"localhost.example.com": [["127.0.0.3"]]}
        async with traps() as listeners, outbound(*open_, answers=answers) as made:
            await ask(made, f"http://{host}:{listeners[0].port}/")

            assert sum(listener.connections for listener in listeners) == 1

    run(story())
    assert len(attempts) == 1


def test_a_name_that_is_bound_anew_after_the_check_leads_nowhere_else() -> None:
    async def story() -> None:
        answers: Answers = {NAME: [[GOOD], [BAD]]}
        closing = answer(b"", "200 OK", "Connection: close")
        async with (
            listening(closing) as good,
            listening(answer(), BAD, good.port) as bad,
            outbound(answers=answers) as made,
        ):
            url = f"http://{NAME}:{good.port}/"

            await ask(made, url)
            assert await refused(made, url) == "refused-address"
            assert (good.connections, bad.connections) == (1, 0)

    run(story())


def test_a_connection_goes_to_the_very_address_that_was_checked() -> None:
    async def story() -> None:
        # The second answer would be what a second lookup for one connection gets.
        answers: Answers = {NAME: [[GOOD], [BAD]]}
        async with (
            listening(answer()) as good,
            listening(answer(), BAD, good.port) as bad,
            outbound(answers=answers) as made,
        ):
            for _ in range(3):
                await ask(made, f"http://{NAME}:{good.port}/")

            assert (good.connections, bad.connections) == (1, 0)
            assert len(good.requests) == 3

    run(story())


@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x"])
@pytest.mark.parametrize("body", [None, b"body"], ids=["GET", "POST"])
def test_a_redirect_is_an_answer(status: str, body: bytes | None) -> None:
    async def story() -> None:
        async with listening(answer(), BAD) as bad:
            for to in (f"http://{BAD}:{bad.port}/", f"//{BAD}:{bad.port}", "/other"):
                said = answer(b"", status, f"Location: {to}", "Refresh: 0; url=/other")
                async with listening(said) as good, outbound() as made:
                    got = await ask(made, f"http://{NAME}:{good.port}/", body=body)

                    assert got.status == int(status[:3])
                    assert got.headers["location"] == to
                    assert len(good.requests) == 1
            assert bad.connections == 0

    run(story())


def test_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with (
            listening(answer()) as good,
            listening(answer(), BAD) as bad,
            outbound() as made,
        ):
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://{BAD}:{bad.port}")
            await ask(made, f"http://{NAME}:{good.port}/")

            assert (good.connections, bad.connections) == (1, 0)

    run(story())


@pytest.mark.parametrize("query", ["a b", "a#b", "a\r\nHost: b", "é", "%", "a\tb"])
def test_a_query_that_is_none_is_refused(query: str, attempts: Attempts) -> None:
    async def story() -> None:
        async with outbound() as made:
            url = f"http://{NAME}/?{query}"

            assert await refused(made, url) == "refused-address"

    run(story())
    assert attempts == []


def test_what_is_asked_goes_out_as_it_was_written() -> None:
    async def story() -> None:
        async with listening(answer()) as good, outbound() as made:
            path = "/v1/a%20b/%2F%41?filter=name%20eq%20%22a%22&c=d+e?/"
            await ask(made, f"http://{NAME}:{good.port}{path}")
            await ask(made, f"http://{NAME}:{good.port}")
            await ask(made, f"http://{NAME}:{good.port}?a=b")

            asked = [request.split()[1].decode() for request in good.requests]
            assert asked == [path, "/", "/?a=b"]

    run(story())


def _everything_to(ip: str) -> Answers:
    """Return the answers of a resolver that is on the side of the attacker."""
    return {host.lower(): [[ip]] for host in (*HOSTS, NAME)}
