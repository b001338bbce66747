"""Doppler, as its vendor's own clients take the fake for it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from vaultferry.core.provider import Session
from vaultferry.outbound import Outbound
from vaultferry.providers import doppler

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
