"""Whom a connection trusts."""

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from tests.outbound.certificates import DAY, Authority
from tests.outbound.loopback import (
    GOOD,
    NAME,
    answer,
    ask,
    listening,
    outbound,
    refused,
)
from tests.running import run

SAID = answer(b"said")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.made()


@pytest.mark.parametrize("host", [NAME, GOOD])
def test_a_server_that_its_authority_signed_is_spoken_to(
    authority: Authority, host: str, tmp_path: Path
) -> None:
    async def story() -> None:
        tls = authority.server(tmp_path, host)
        async with listening(SAID, tls=tls) as good, outbound() as made:
            url = f"https://{host}:{good.port}/"

            for _ in range(2):
                assert (await ask(made, url, ca=authority.pem)).body == b"said"
            assert good.connections == 1

    run(story())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize(
    ("hosts", "left", "newest"),
    [
        ([NAME], -DAY, ssl.TLSVersion.TLSv1_3),
        (["other.example.com"], DAY, ssl.TLSVersion.TLSv1_3),
        ([GOOD], DAY, ssl.TLSVersion.TLSv1_3),
        ([NAME], DAY, ssl.TLSVersion.TLSv1_1),
    ],
    ids=["expired", "another name", "only the address", "TLS 1.1"],
)
def test_a_server_that_is_not_the_one_is_not_asked(
    authority: Authority,
    hosts: list[str],
    left: timedelta,
    newest: ssl.TLSVersion,
    tmp_path: Path,
) -> None:
    async def story() -> None:
        tls = authority.server(tmp_path, *hosts, left=left, newest=newest)
        async with listening(SAID, tls=tls) as good, outbound() as made:
            url = f"https://{NAME}:{good.port}/"

            # A server of asyncio goes without a word where they share no version.
            old = newest is ssl.TLSVersion.TLSv1_1
            words = {"tls", "connect"} if old else {"tls"}
            assert await refused(made, url, ca=authority.pem) in words
            assert good.requests == []

    run(story())


def test_tls_1_2_is_spoken(authority: Authority, tmp_path: Path) -> None:
    async def story() -> None:
        tls = authority.server(tmp_path, NAME, newest=ssl.TLSVersion.TLSv1_2)
        async with listening(SAID, tls=tls) as good, outbound() as made:
            url = f"https://{NAME}:{good.port}/"

            assert (await ask(made, url, ca=authority.pem)).body == b"said"

    run(story())


@pytest.mark.parametrize("others", ["another authority", "the machine"])
def test_a_server_of_another_authority_is_not_asked(
    authority: Authority, others: str, tmp_path: Path
) -> None:
    async def story() -> None:
        ca = None if others == "the machine" else Authority.made().pem
        tls = authority.server(tmp_path, NAME)
        async with listening(SAID, tls=tls) as good, outbound() as made:
            url = f"https://{NAME}:{good.port}/"

            assert (await ask(made, url, ca=authority.pem)).body == b"said"
            assert await refused(made, url, ca=ca) == "tls"
            assert len(good.requests) == 1

    run(story())


@pytest.mark.parametrize(
    "ca", [b"", b"canary", b"\xff", b"-----BEGIN CERTIFICATE-----"]
)
def test_certificates_that_are_none_trust_nobody(
    authority: Authority, ca: bytes, tmp_path: Path
) -> None:
    async def story() -> None:
        tls = authority.server(tmp_path, NAME)
        async with listening(SAID, tls=tls) as good, outbound() as made:
            assert await refused(made, f"https://{NAME}:{good.port}/", ca=ca) == "tls"
            assert good.connections == 0

    run(story())


def test_the_machine_s_authorities_are_trusted_where_no_others_are_given(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))

    async def story() -> None:
        tls = authority.server(tmp_path, NAME)
        async with listening(SAID, tls=tls) as good, outbound() as made:
            assert (await ask(made, f"https://{NAME}:{good.port}/")).body == b"said"

    run(story())


def test_given_authorities_are_trusted_instead_of_the_machine_s(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))

    async def story() -> None:
        tls = authority.server(tmp_path, NAME)
        other = Authority.made().pem
        async with listening(SAID, tls=tls) as good, outbound() as made:
            url = f"https://{NAME}:{good.port}/"
            assert await refused(made, url, ca=other) == "tls"

    run(story())


def test_a_server_that_speaks_no_tls_is_not_asked() -> None:
    asked = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(10_000))
        writer.write(SAID)
        writer.close()

    async def story() -> None:
        server = await asyncio.start_server(plain, GOOD, 0)
        async with server, outbound() as made:
            port = server.sockets[0].getsockname()[1]
            assert await refused(made, f"https://{NAME}:{port}/") == "tls"

    run(story())
    assert b"canary" not in asked[0]


@pytest.mark.parametrize(("seconds", "connections"), [(299, 1), (301, 2)])
def test_connections_are_kept_until_they_were_not_used_for_long(
    authority: Authority, tmp_path: Path, seconds: float, connections: int
) -> None:
    now = [1000.0]

    async def story() -> None:
        tls = authority.server(tmp_path, NAME)
        async with (
            listening(SAID, tls=tls) as good,
            listening(SAID) as other,
            outbound(clock=lambda: now[0]) as made,
        ):
            url = f"https://{NAME}:{good.port}/"
            await ask(made, url, ca=authority.pem)
            now[0] += seconds
            # One that is new is when the old ones are looked at.
            await ask(made, f"http://{NAME}:{other.port}/")
            await ask(made, url, ca=authority.pem)

            assert good.connections == connections

    run(story())
