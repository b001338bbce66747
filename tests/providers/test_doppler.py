"""Doppler, as its vendor's own clients take the fake for it."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from tests.running import run
from tests.vaults.doppler import Doppler
from tests.vaults.doppler_state import State, Token
from tests.vaults.faults import Fault, bad_gateway, too_many, truncated
from tests.vaults.limiter import Rate
from tests.vaults.server import Server
from vaultferry.core.addresses import Exceptions
from vaultferry.core.document import Document
from vaultferry.core.errors import (
    AuthenticationFailed,
    Failure,
    PlaceForbidden,
    PlaceMissing,
    RateLimited,
    ReferenceInvalid,
    Unreachable,
    VaultFailure,
)
from vaultferry.core.provider import Metered, Session, Streaming
from vaultferry.outbound import Outbound
from vaultferry.providers import _http, doppler

TOKEN = "dp.st.prd.canary-token"
CANARY = "canary-of-doppler"
PLACE = "shop/prd"


def settings(**more: Any) -> doppler.Settings:
    given = {"project": "shop", "config": "prd", "tokenSecretRef": {"name": "t"}}
    return doppler.Settings.model_validate(given | more)


def state(**values: str) -> State:
    return State(
        configs={PLACE: values or {"A": CANARY}}, tokens={TOKEN: Token(config=PLACE)}
    )


@asynccontextmanager
async def opened(
    there: State, token: str = TOKEN, *faults: Fault
) -> AsyncIterator[tuple[Server, Session]]:
    """Run a Doppler, and open a session with it."""
    outbound = Outbound(Exceptions.parse(["https://127.0.0.0/8:*"]))
    async with Server(Doppler(there), https=True) as server:
        server.faults = list(faults)
        where = settings(address=server.url, caBundle=server.certificate)
        try:
            yield server, doppler.session(where, {"token": token.encode()}, outbound)
        finally:
            await outbound.close()


def fetched(there: State, token: str = TOKEN, *faults: Fault) -> Document:
    async def story() -> Document:
        async with opened(there, token, *faults) as (_, session):
            return await session.fetch(PLACE, None)

    return run(story())


def test_a_config_is_fetched_whole_without_what_is_dopplers_own() -> None:
    document = fetched(state(A="1", B="žluť\n", REF="${A}-${B}"))

    assert document.values == {
        "A": b"1",
        "B": "žluť\n".encode(),
        "REF": "1-žluť\n".encode(),
    }


def test_what_did_not_change_is_the_document_that_is_known() -> None:
    async def story() -> tuple[list[int | None], bool, bytes]:
        async with opened(state()) as (server, session):
            first = await session.fetch(PLACE, None)
            again = await session.fetch(PLACE, first)
            server.vault.state.configs[PLACE]["A"] = "changed"
            changed = await session.fetch(PLACE, again)
            return (
                [e.status for e in server.record],
                again is first,
                changed.values["A"],
            )

    assert run(story()) == ([200, 304, 200], True, b"changed")


def test_a_304_that_nobody_asked_for_is_no_answer() -> None:
    with pytest.raises(Unreachable):
        fetched(state(), TOKEN, Fault(status=304))


@pytest.mark.parametrize("values", [{}, {"OTHER": "1"}], ids=["empty", "partial"])
def test_an_empty_or_partial_config_is_given_as_it_is(values: dict[str, str]) -> None:
    there = state()
    there.configs[PLACE] = values

    assert fetched(there).values.keys() == values.keys()


def test_of_what_is_said_of_a_rate_no_call_is_made_too_many() -> None:
    there = state()
    there.rate = Rate(limit=1)

    async def story() -> None:
        async with opened(there) as (_, session):
            await session.fetch(PLACE, None)
            await session.fetch(PLACE, None)

    with pytest.raises(RateLimited) as limited:
        run(story())
    assert 0 < limited.value.wait <= 60


JSON = {"content-type": "application/json"}

FAULTS: dict[str, tuple[Fault, type[Failure]]] = {
    "502 in HTML": (bad_gateway(), Unreachable),
    "500 in JSON": (Fault(status=500, headers=JSON, body="{}"), Unreachable),
    "429": (too_many(), RateLimited),
    "429 with a word": (too_many(retry_after=7), RateLimited),
    "truncated": (truncated(), Unreachable),
    "cut": (Fault(cut=5), Unreachable),
    "reset": (Fault(reset=True), Unreachable),
    "a redirect": (Fault(status=302, headers={"location": "/x"}), Unreachable),
    "100 MB": (Fault(status=200, headers=JSON, size=100_000_000), Unreachable),
    "a list": (Fault(status=200, headers=JSON, body="[1]"), Unreachable),
    "a number": (Fault(status=200, headers=JSON, body='{"A": 1}'), Unreachable),
    "no text": (
        Fault(status=200, headers=JSON, body=json.dumps({"A": "\ud800"})),
        Unreachable,
    ),
    "nothing": (Fault(status=200, headers=JSON, body=""), Unreachable),
    "401": (Fault(status=401, headers=JSON, body=CANARY), AuthenticationFailed),
    "403": (Fault(status=403, headers=JSON, body=CANARY), PlaceForbidden),
    "404": (Fault(status=404, headers=JSON, body=CANARY), PlaceMissing),
    "400": (Fault(status=400, headers=JSON, body=CANARY), PlaceMissing),
}


@pytest.mark.parametrize("case", FAULTS)
def test_each_fault_has_its_reason_and_no_word_of_the_answer(case: str) -> None:
    fault, reason = FAULTS[case]

    with pytest.raises(reason) as failed:
        fetched(state(), TOKEN, fault)

    assert CANARY not in str(failed.value)
    assert TOKEN not in str(failed.value)


def test_the_wait_that_a_vault_asks_for_is_kept() -> None:
    with pytest.raises(RateLimited) as limited:
        fetched(state(), TOKEN, too_many(retry_after=7))

    assert limited.value.wait == 7


def test_a_token_that_is_unknown_is_refused() -> None:
    with pytest.raises(AuthenticationFailed):
        fetched(state(), "dp.st.prd.other")


def test_a_token_of_another_config_may_not_read_this_one() -> None:
    there = state()
    there.tokens[TOKEN] = Token(config="shop/dev")

    with pytest.raises((PlaceForbidden, PlaceMissing)):
        fetched(there)


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "tökén"])
def test_what_cannot_be_a_token_is_sent_to_nobody(token: str) -> None:
    with pytest.raises(AuthenticationFailed) as refused:
        fetched(state(), token)

    assert not token or token not in str(refused.value)


@pytest.mark.parametrize(
    ("token", "fault", "reason"),
    [
        (TOKEN, None, None),
        ("dp.st.prd.other", None, AuthenticationFailed),
        (TOKEN, Fault(status=403), AuthenticationFailed),
        (TOKEN, bad_gateway(), Unreachable),
    ],
)
def test_a_check_tells_whether_the_token_is_taken(
    token: str, fault: Fault | None, reason: type[VaultFailure] | None
) -> None:
    async def story() -> None:
        faults = [fault] if fault else []
        async with opened(state(), token, *faults) as (_, session):
            await session.check()

    if reason is None:
        run(story())
    else:
        with pytest.raises(reason):
            run(story())


@pytest.mark.parametrize("reference", ["A", "DB_PASSWORD", "_X", "A1"])
def test_a_reference_is_the_name_of_a_secret(reference: str) -> None:
    wanted = doppler.PROVIDER.find(settings(), reference)

    assert (wanted.place, wanted.key) == (PLACE, reference)
    assert wanted.canonical == f"shop/prd/{reference}"


@pytest.mark.parametrize("reference", ["", "a", "1A", "A-B", "A B", "op://a/b/c", "Ä"])
def test_another_reference_is_refused_with_what_to_write(reference: str) -> None:
    with pytest.raises(ReferenceInvalid, match="the name of a secret, such as"):
        doppler.PROVIDER.find(settings(), reference)


def test_all_keys_are_those_of_the_config() -> None:
    assert doppler.PROVIDER.whole(settings(), "") == PLACE
    with pytest.raises(ReferenceInvalid):
        doppler.PROVIDER.whole(settings(), "other")


def test_neither_values_nor_the_token_are_shown() -> None:
    async def story() -> str:
        async with opened(state()) as (_, session):
            return repr(await session.fetch(PLACE, None)) + repr(session)

    shown = run(story())
    assert CANARY not in shown
    assert TOKEN not in shown


@asynccontextmanager
async def listening(
    there: State, token: str = TOKEN, *faults: Fault
) -> AsyncIterator[tuple[Server, AsyncGenerator[None, None]]]:
    """Run a Doppler, and listen to it."""
    async with opened(there, token, *faults) as (server, session):
        assert isinstance(session, Streaming)
        async with aclosing(session.changes()) as changes:
            yield server, changes


def test_a_stream_tells_that_it_began_and_what_changed_then() -> None:
    there = state()
    there.ping_seconds = 0.05

    async def story() -> None:
        async with listening(there) as (server, changes), asyncio.timeout(30):
            await anext(changes)
            waiting = asyncio.ensure_future(anext(changes))
            # Pings are no changes.
            assert not (await asyncio.wait([waiting], timeout=0.5))[0]
            server.vault.state.configs[PLACE]["A"] = "changed"
            await waiting
            [entry] = server.record
            assert entry.path == "/v3/configs/config/secrets/watch"
            assert entry.headers["accept"] == "text/event-stream"

    run(story())


def refusal(there: State, token: str = TOKEN, *faults: Fault) -> Failure | None:
    async def story() -> Failure | None:
        async with listening(there, token, *faults) as (_, changes):
            try:
                async with asyncio.timeout(30):
                    async for _ in changes:
                        pass
            except Failure as failure:
                return failure
        return None

    return run(story())


def lost() -> State:
    there = state()
    there.configs = {"shop/dev": {}}
    return there


@pytest.mark.parametrize(
    ("there", "token", "faults", "reason"),
    [
        (state(), "dp.st.prd.other", [], "AuthenticationFailed"),
        (lost(), TOKEN, [], "PlaceMissing"),
        (state(), TOKEN, [Fault(status=403)], "PlaceForbidden"),
        (state(), TOKEN, [too_many(retry_after=7)], "RateLimited"),
        (state(), TOKEN, [bad_gateway()], "Unreachable"),
        (state(), TOKEN, [Fault(status=307)], "Unreachable"),
        (state(), TOKEN, [Fault(reset=True)], "Unreachable"),
        (state(), TOKEN, [Fault(status=200, size=5_000)], "Unreachable"),
    ],
)
def test_why_a_stream_is_not_to_be_had_is_told_without_a_word_of_the_vault(
    there: State, token: str, faults: list[Fault], reason: str
) -> None:
    failure = refusal(there, token, *faults)

    assert failure is not None
    assert failure.reason == reason
    assert "Made-up" not in str(failure)
    assert token not in f"{failure} {failure!r} {failure.__context__!r}"
    assert reason != "RateLimited" or getattr(failure, "wait", 0) == 7


def test_a_stream_that_ends_is_no_failure() -> None:
    assert refusal(state(), TOKEN, Fault(status=200, body="data: {}\n\n")) is None


def test_a_stream_that_is_silent_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doppler, "_SILENCE_SECONDS", 0.3)
    failure = refusal(state())

    assert isinstance(failure, Unreachable)
    assert failure.detail == "timeout"


def test_a_stream_that_is_cut_ends() -> None:
    async def story() -> None:
        async with listening(state()) as (server, changes), asyncio.timeout(30):
            await anext(changes)
            await server.refuse()
            with pytest.raises(Unreachable):
                await anext(changes)

    run(story())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "event: message",
        ": data",
        "data:",
        "data: no json",
        "data: []",
        'data: {"type": 1}',
        'data: {"type": "ping"}',
        'x data: {"type": "secrets.update"}',
        "data: " + "[" * 4_000,
    ],
)
def test_a_line_that_is_no_news_is_left(line: str) -> None:
    body = f"{line}\ndata: {{}}\n"

    assert refusal(state(), TOKEN, Fault(status=200, body=body)) is None
    assert told(body) == 0


def test_news_are_told_once_each() -> None:
    update = 'event: message\r\ndata: {"type": "secrets.update"}\r\n\r\n'

    assert told(update * 3) == 3
    assert told('data:{"type":"connected"}\n') == 1


def test_a_vault_that_tells_too_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http, "_LINE_SECONDS", 0.1)
    began = time.monotonic()

    assert told('data: {"type": "secrets.update"}\n' * 10) == 10
    assert time.monotonic() - began >= 1.0


def told(body: str) -> int:
    """Return how often a stream tells of a change."""

    async def story() -> int:
        fault = Fault(status=200, body=body)
        async with listening(state(), TOKEN, fault) as (_, changes):
            return len([each async for each in changes])

    return run(story())


@pytest.mark.parametrize("wanted", [True, False])
def test_who_does_not_ask_for_it_is_not_listened_for(*, wanted: bool) -> None:
    outbound = Outbound(Exceptions())
    made = doppler.session(settings(watch=wanted), {"token": b"x"}, outbound)

    assert isinstance(made, Streaming)
    assert made.listens is wanted
    run(outbound.close())


def test_what_doppler_says_of_its_limit_is_known_whether_it_answers_or_refuses() -> (
    None
):
    async def story() -> None:
        there = state()
        there.rate = Rate(limit=2, seconds=30)
        async with opened(there) as (_, session):
            assert isinstance(session, Metered)
            assert session.quota is None
            known = await session.fetch(PLACE, None)
            first = session.quota
            await session.fetch(PLACE, known)
            with pytest.raises(RateLimited):
                await session.fetch(PLACE, known)
            assert first
            assert (first.limit, first.left) == (2, 1)
            # In whole seconds, and by a clock that says no more than seconds either.
            assert 28 <= first.seconds <= 32
            assert session.quota
            assert session.quota.left == 0

    run(story())
