import asyncio
import errno
import json
import os
import ssl
import time
from collections.abc import Coroutine
from typing import Any

import aiohttp
import pytest

from tests.running import run
from tests.vaults.doppler import Doppler
from tests.vaults.doppler_state import State, Token
from tests.vaults.faults import SHOWN, Fault, bad_gateway, too_many, truncated
from tests.vaults.message import Answer, Asked
from tests.vaults.process import running
from tests.vaults.record import digest
from tests.vaults.server import Server

TOKEN = "dp.st.made-up"
ME = "/v3/me"
STATE = State(
    configs={"shop/prd": {"NAME": "made-up"}}, tokens={TOKEN: Token(config="shop/prd")}
)
BEARER = {"authorization": f"Bearer {TOKEN}"}


def new_server(*faults: Fault, https: bool = False, latency: float = 0) -> Server:
    vault = Doppler(STATE.model_copy(deep=True))
    server = Server(vault, https=https, latency=latency)
    server.faults = list(faults)
    return server


async def got(server: Server, path: str = ME) -> tuple[int, bytes]:
    """Ask on a connection of its own."""
    async with (
        aiohttp.ClientSession(headers=BEARER) as session,
        session.get(server.url + path) as answer,
    ):
        return answer.status, await answer.read()


def serving(
    server: Server, *asked: Coroutine[Any, Any, tuple[int, bytes]]
) -> list[tuple[int, bytes] | BaseException]:
    """Return what several questions get, one after the other."""

    async def scene() -> list[tuple[int, bytes] | BaseException]:
        async with server:
            return [
                (await asyncio.gather(each, return_exceptions=True))[0]
                for each in asked
            ]

    return run(scene())


def statuses(server: Server, questions: int) -> list[int | None]:
    serving(server, *(got(server) for _ in range(questions)))
    return [entry.status for entry in server.record]


def test_a_request_is_recorded_without_its_token() -> None:
    server = new_server()

    serving(server, got(server, f"{ME}?a=b%20c"))

    (entry,) = server.record
    assert (entry.number, entry.method, entry.target) == (1, "GET", f"{ME}?a=b%20c")
    assert entry.path == ME
    assert entry.status == 200
    assert entry.headers["authorization"] == digest(BEARER["authorization"])
    assert TOKEN not in repr(entry)


def test_what_holds_values_is_not_shown() -> None:
    shown = [repr(STATE), str(STATE), repr(Answer(200, b"made-up"))]

    assert not any("made-up" in text for text in shown)


def test_a_fault_is_for_some_requests_only() -> None:
    fault = bad_gateway(times=2)
    fault.skip = 1

    assert statuses(new_server(fault), 5) == [200, 502, 502, 200, 200]


def test_a_fault_is_for_a_path_a_method_and_what_a_test_says() -> None:
    paths = Fault(path="/v3/auth", status=500)
    methods = Fault(method="POST", status=501)
    said = Fault(matches=lambda entry: entry.number == 2, status=503)

    assert statuses(new_server(paths, methods, said), 3) == [200, 503, 200]


def test_an_answer_is_late() -> None:
    server = new_server(Fault(delay=1, times=1), latency=0.1)

    before = time.monotonic()
    serving(server, got(server))
    between = time.monotonic()
    serving(server, got(server))

    assert between - before > 1.1
    assert time.monotonic() - between < (between - before) / 2


def test_an_answer_does_not_come() -> None:
    server = new_server(Fault(hang=True))

    async def impatient() -> tuple[int, bytes]:
        async with asyncio.timeout(1):
            return await got(server)

    (said,) = serving(server, impatient())

    assert isinstance(said, TimeoutError)
    assert server.record[0].status is None


def test_a_connection_is_reset() -> None:
    server = new_server(Fault(reset=True))

    (said,) = serving(server, got(server))

    assert isinstance(said, OSError)
    assert said.errno == errno.ECONNRESET
    assert server.record[0].status is None


@pytest.mark.parametrize("reset", [False, True])
def test_a_body_is_cut(*, reset: bool) -> None:
    server = new_server(Fault(cut=10, reset=reset))
    parts: list[bytes] = []

    async def reading() -> tuple[int, bytes]:
        async with (
            aiohttp.ClientSession(headers=BEARER) as session,
            session.get(server.url + ME) as answer,
        ):
            while data := await answer.content.readany():
                parts.append(data)
            return answer.status, b""

    (said,) = serving(server, reading())

    assert isinstance(said, aiohttp.ClientPayloadError | ConnectionResetError)
    # What is on its way when the reset comes may be lost.
    assert len(b"".join(parts)) in ({0, 10} if reset else {10})


def test_an_answer_may_be_anything() -> None:
    server = new_server(bad_gateway(times=1), truncated(times=1))

    html, json_ = serving(server, got(server), got(server))

    assert isinstance(html, tuple)
    assert html[0] == 502
    assert html[1].startswith(b"<html>")
    assert isinstance(json_, tuple)
    assert json_[0] == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(json_[1])


def test_an_answer_may_repeat_the_tokens_that_it_answers_to() -> None:
    echo = Fault(status=400, body=f"no: {SHOWN}", headers={"x-echo": SHOWN})
    server = new_server(echo)

    [said] = serving(server, got(server))

    assert said == (400, f"no: {TOKEN}".encode())


@pytest.mark.parametrize("after", [None, 7])
def test_a_refusal_says_when_to_come_again_or_does_not(after: int | None) -> None:
    server = new_server(too_many(retry_after=after))

    async def retry_after() -> tuple[int, bytes]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(server.url) as answer,
        ):
            return answer.status, answer.headers.get("retry-after", "").encode()

    (said,) = serving(server, retry_after())

    assert said == (429, b"" if after is None else b"7")


def test_a_huge_answer_is_not_held() -> None:
    size = 100_000_000
    server = new_server(Fault(status=200, body="{", size=size))

    async def counted() -> tuple[int, bytes]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(server.url) as answer,
        ):
            read = 0
            async for data in answer.content.iter_any():
                read += len(data)
            return read, b""

    before = peak_mib()
    (said,) = serving(server, counted())

    assert said == (size, b"")
    assert peak_mib() - before < 30


def peak_mib() -> float:
    """Return the most memory that this process has had."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
        (line,) = (line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def test_a_server_that_is_down_comes_back_at_the_same_place() -> None:
    server = new_server()

    async def scene() -> list[int]:
        async with server:
            url, up = server.url, (await got(server))[0]
            await server.refuse()
            with pytest.raises(aiohttp.ClientConnectorError):
                await got(server)
            await server.listen()
            assert server.url == url
            return [up, (await got(server))[0]]

    assert run(scene()) == [200, 200]


def test_only_who_trusts_its_authority_talks_to_a_server_with_tls() -> None:
    server = new_server(https=True)

    async def scene() -> int:
        async with server:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await got(server)
            context = ssl.create_default_context(cadata=server.certificate)
            async with (
                aiohttp.ClientSession(headers=BEARER) as session,
                session.get(server.url + ME, ssl=context) as answer,
            ):
                return answer.status

    assert run(scene()) == 200


def test_a_fake_that_breaks_fails_the_test() -> None:
    class Broken(Doppler):
        async def answer(self, asked: Asked) -> Answer:
            raise RuntimeError(asked.path)

    server = Server(Broken())

    with pytest.raises(RuntimeError, match=ME):
        serving(server, got(server))


def test_a_process_of_its_own_takes_orders() -> None:
    with running("doppler", STATE, ["--latency", "0.01"]) as vault:
        ask = [asked(vault.url)]
        vault.do(bad_gateway(times=1), too_many(times=1))
        ask += [asked(vault.url) for _ in range(3)]
        vault.do()
        vault.put(State())
        ask += [asked(vault.url)]
        entries = vault.requests()
        vault.forget()

        assert vault.shown() == [TOKEN]
        assert ask == [200, 502, 429, 200, 401]
        assert [entry.status for entry in entries] == ask
        assert [entry.fault for entry in entries] == ["", "502", "429", "", ""]
        assert vault.requests() == []


def test_a_process_of_its_own_goes_down_and_comes_back() -> None:
    with running("doppler", STATE) as vault:
        with vault.refusing(), pytest.raises(aiohttp.ClientConnectorError):
            asked(vault.url)

        assert asked(vault.url) == 200


def test_a_process_of_its_own_has_a_clock_and_is_as_slow_as_is_wished() -> None:
    state = State(tokens={TOKEN: Token(expires_at=time.time() + 1000)})
    with running("doppler", state, ["--https"]) as vault:
        context = ssl.create_default_context(cadata=vault.certificate)
        vault.set_latency(0.3)
        before = time.monotonic()
        first = asked(vault.url, context)
        took = time.monotonic() - before
        vault.set_clock(1001)

        assert first == 200
        assert took > 0.3
        assert asked(vault.url, context) == 401


def test_a_process_of_its_own_does_not_repeat_a_state_that_it_refuses() -> None:
    with running("doppler") as vault:
        said = run(put(f"{vault.admin}/state", b'{"tokens": {"made-up-1": 3}}'))

    assert said[0] == 400
    assert "should be an object" in said[1]
    assert "input_value" not in said[1]


def test_a_process_of_its_own_answers_a_thousand_calls_a_second() -> None:
    state = STATE.model_copy(deep=True)
    state.rate.limit = 10**6
    calls, at_once = 1000, 20

    async def load(url: str) -> None:
        async with aiohttp.ClientSession(headers=BEARER) as session:

            async def some() -> None:
                for _ in range(calls // at_once):
                    async with session.get(url) as answer:
                        assert answer.status == 200
                        await answer.read()

            await asyncio.gather(*(some() for _ in range(at_once)))

    with running("doppler", state) as vault:
        before = cpu_seconds(vault.pid)
        run(load(f"{vault.url}/v3/configs/config/secrets/download"))
        used = cpu_seconds(vault.pid) - before

    # Of its own core: how long it takes says more about who else is on the machine.
    assert used < calls / 1000


def cpu_seconds(pid: int) -> float:
    """Return what a process has used so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def asked(url: str, context: ssl.SSLContext | None = None) -> int:
    async def ask() -> int:
        async with (
            aiohttp.ClientSession(headers=BEARER) as session,
            session.get(url + ME, ssl=context or True) as answer,
        ):
            return answer.status

    return run(ask())


async def put(url: str, body: bytes) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.put(url, data=body) as answer,
    ):
        return answer.status, await answer.text()
