"""How sessions of Doppler log in as a ServiceAccount."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from traceback import format_exception
from typing import Any

import pytest

from tests.providers.accounts import SUBJECT, Issuing, refusals
from tests.providers.infisical import Clock
from tests.providers.test_infisical import failure
from tests.running import run
from tests.vaults.doppler import Doppler
from tests.vaults.doppler_state import Identity, State
from tests.vaults.faults import Fault, bad_gateway, too_many
from tests.vaults.server import Server
from vaultferry.core.addresses import Exceptions
from vaultferry.core.errors import (
    AuthenticationFailed,
    ConnectionNotReady,
    Failure,
    PlaceForbidden,
    RateLimited,
    Unreachable,
)
from vaultferry.core.provider import Account, Session, Streaming
from vaultferry.outbound import Outbound
from vaultferry.providers import doppler

AUDIENCE = "vaultferry.dev/doppler"
IDENTITY = "11111111-2222-3333-4444-555555555555"
LOGIN, DOWNLOAD = "/v3/auth/oidc", "/v3/configs/config/secrets/download"
PLACE = "shop/prd"
OIDC = {"identityId": IDENTITY, "serviceAccountRef": {"name": "reader"}}


def settings(**more: Any) -> doppler.Settings:
    given = {"project": "shop", "config": "prd", "oidc": OIDC}
    return doppler.Settings.model_validate(given | more)


@dataclass(frozen=True)
class There:
    """A Doppler with one identity, and what asks it."""

    server: Server
    outbound: Outbound
    clock: Clock
    identity: Identity

    def session(self, issue: Issuing) -> Session:
        where = settings(address=self.server.url, caBundle=self.server.certificate)
        return doppler.session(where, issue, self.outbound, self.clock)

    def asked(self, path: str = "/") -> list[int | None]:
        """Return the statuses by which calls were answered."""
        return [e.status for e in self.server.record if e.path.startswith(path)]

    def pass_time(self, seconds: float) -> None:
        """Move our clock and the server's."""
        self.clock.now += seconds
        self.server.vault.ahead += seconds


@asynccontextmanager
async def running() -> AsyncIterator[There]:
    outbound = Outbound(Exceptions.parse(["https://127.0.0.0/8:*"]))
    identity = Identity(subject=SUBJECT, audience=AUDIENCE, projects=["shop"])
    state = State(configs={PLACE: {"A": "1"}}, identities={IDENTITY: identity})
    async with Server(Doppler(state), https=True) as server:
        try:
            yield There(server, outbound, Clock(), identity)
        finally:
            await outbound.close()


def within(story: Callable[[There], Awaitable[None]]) -> None:
    """Run a story at a server."""

    async def told() -> None:
        async with running() as there:
            await story(there)

    run(told())


def test_a_config_is_read_as_a_service_account_by_one_login() -> None:
    async def story(there: There) -> None:
        issue = Issuing(AUDIENCE)
        sessions = [there.session(issue), there.session(issue)]

        found = await asyncio.gather(*(s.fetch(PLACE, None) for s in sessions))

        assert [each.values for each in found] == [{"A": b"1"}] * 2
        assert there.asked() == [200] * 3
        assert len(issue.issued) == 1

    within(story)


def test_the_credential_is_the_account_with_an_audience_of_its_own() -> None:
    account = doppler.PROVIDER.token(settings())

    assert account == Account("reader", "doppler")
    assert isinstance(account, Account)
    assert account.audience == AUDIENCE


def test_a_login_is_used_until_shortly_before_it_expires() -> None:
    async def story(there: There) -> None:
        issue = Issuing(AUDIENCE)
        session = there.session(issue)
        await session.check()
        there.pass_time(860.0)
        await session.check()
        assert there.asked(LOGIN) == [200]

        there.pass_time(11.0)
        # The token of the account is ten minutes long, by its own clock.
        there.server.vault.ahead = 0
        await session.check()
        assert there.asked(LOGIN) == [200, 200]
        assert set(there.asked()) == {200}

    within(story)


def test_after_an_hour_at_most_the_account_is_asked_again() -> None:
    async def story(there: There) -> None:
        there.identity.seconds = 86400
        issue = Issuing(AUDIENCE)
        session = there.session(issue)
        await session.check()
        there.pass_time(3599.0)
        await session.check()
        assert len(issue.issued) == 1

        there.pass_time(2.0)
        issue.failure = ConnectionNotReady("no consent any more")
        asked = len(there.asked())

        assert await failure(session.check()) is issue.failure
        assert len(there.asked()) == asked

    within(story)


def test_a_token_that_is_refused_is_exchanged_anew_once() -> None:
    async def story(there: There) -> None:
        issue = Issuing(AUDIENCE)
        session = there.session(issue)
        await session.check()
        there.server.vault.state.tokens.clear()

        await session.fetch(PLACE, None)

        assert there.asked(DOWNLOAD) == [401, 200]
        assert len(set(issue.issued)) == 2

        there.server.faults = [Fault(path=DOWNLOAD, status=401, body="{}")]
        found = await failure(session.fetch(PLACE, None))
        assert isinstance(found, AuthenticationFailed)
        assert found.wait >= 60
        assert there.asked(DOWNLOAD) == [401, 200, 401, 401]

    within(story)


def test_a_config_that_is_forbidden_is_asked_for_by_another_login_the_next_time() -> (
    None
):
    async def story(there: There) -> None:
        there.identity.projects = ["other"]
        session = there.session(Issuing(AUDIENCE))
        assert type(await failure(session.fetch(PLACE, None))) is PlaceForbidden
        there.identity.projects = ["shop"]

        assert (await session.fetch(PLACE, None)).values == {"A": b"1"}
        assert there.asked(LOGIN) == [200, 200]
        assert there.asked(DOWNLOAD) == [403, 200]

    within(story)


@pytest.mark.parametrize(
    ("subject", "audience"),
    [(f"{SUBJECT}-x", AUDIENCE), (SUBJECT, "https://kubernetes.default.svc")],
    ids=["subject", "audience"],
)
def test_a_login_that_is_refused_is_not_tried_again_for_a_minute(
    subject: str, audience: str
) -> None:
    async def story(there: There) -> None:
        session = there.session(Issuing(audience, subject))
        for seconds in (0.0, 59.0):
            there.pass_time(seconds)
            found = await failure(session.fetch(PLACE, None))
            assert type(found) is AuthenticationFailed
        assert "ServiceAccount" in str(found)
        assert there.asked() == [401]

        there.pass_time(1.0)
        await failure(session.fetch(PLACE, None))
        assert there.asked() == [401, 401]

    within(story)


async def told(session: Session) -> None:
    """Wait until the event stream tells something."""
    assert isinstance(session, Streaming)
    async with aclosing(session.changes()) as changes:
        async for _ in changes:
            return


def test_the_event_stream_is_opened_by_a_login_and_anew_where_that_is_refused() -> None:
    async def story(there: There) -> None:
        session = there.session(Issuing(AUDIENCE))
        await told(session)
        there.server.vault.state.tokens.clear()
        assert isinstance(await failure(told(session)), AuthenticationFailed)

        await told(session)

        assert there.asked(LOGIN) == [200, 200]
        assert there.asked("/v3/configs/config/secrets/watch") == [200, 401, 200]

    within(story)


def good(**more: Any) -> str:
    later = "2999-01-01T00:00:00.000Z"
    return json.dumps({"success": True, "token": "t", "expires_at": later} | more)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (bad_gateway(), Unreachable),
        (Fault(status=500, body="{}"), Unreachable),
        (Fault(status=200, body="[]"), Unreachable),
        (Fault(status=200, body=good(token=None)), Unreachable),
        (Fault(status=200, body=good(expires_at=None)), Unreachable),
        (Fault(status=200, body=good(expires_at="soon")), Unreachable),
        (Fault(status=200, body=good(expires_at="2001-01-01T00:00:00Z")), Unreachable),
        (too_many(retry_after=9), RateLimited),
        (Fault(status=400, body="{}"), AuthenticationFailed),
        (Fault(status=403, body="{}"), AuthenticationFailed),
        (Fault(status=404, body="{}"), AuthenticationFailed),
    ],
    ids=lambda v: f"{v.status} {v.body[-40:]}" if isinstance(v, Fault) else "",
)
def test_a_login_that_goes_wrong_is_the_fault_of_the_connection(
    fault: Fault, kind: type[Failure]
) -> None:
    async def story(there: There) -> None:
        there.server.faults = [fault.model_copy(update={"path": LOGIN})]
        session = there.session(Issuing(AUDIENCE))

        assert type(await failure(session.fetch(PLACE, None))) is kind
        assert there.asked(DOWNLOAD) == []

    within(story)


def test_neither_the_token_nor_what_is_said_of_it_is_in_a_failure() -> None:
    async def story(there: There) -> None:
        for status in (400, 401, 403, 404, 429, 500):
            issue = Issuing(AUDIENCE)
            said = json.dumps({"messages": ["canary"]})
            there.server.faults = [Fault(path=LOGIN, status=status, body=said)]
            session = there.session(issue)
            found = await failure(session.check())
            shown = "".join(format_exception(found)) + str(vars(found)) + repr(session)
            assert "canary" not in shown
            assert issue.issued[0] not in shown

    within(story)


TOKEN = {"name": "t"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"oidc": OIDC}, ""),
        ({"tokenSecretRef": TOKEN}, ""),
        ({"oidc": OIDC, "tokenSecretRef": TOKEN}, "write tokenSecretRef or oidc"),
        ({}, "write tokenSecretRef or oidc"),
    ],
)
def test_a_connection_has_exactly_one_credential(
    given: dict[str, Any], words: str
) -> None:
    section = {"project": "shop", "config": "prd"} | given

    complaints = refusals("doppler", section)

    assert words in complaints
    assert bool(complaints) is bool(words)


def test_a_section_without_a_credential_that_got_past_is_said() -> None:
    with pytest.raises(ConnectionNotReady):
        doppler.PROVIDER.token(settings(oidc=None))
