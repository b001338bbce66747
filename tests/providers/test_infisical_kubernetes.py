"""How sessions of Infisical log in as a ServiceAccount."""

import asyncio
import json
from traceback import format_exception
from typing import Any

import pytest

from tests.providers.accounts import SUBJECT, Issuing, refusals
from tests.providers.infisical import KUBERNETES, NO_ROUTE, Shop, settings_of
from tests.providers.test_infisical import V4, failure, within
from tests.vaults.faults import Fault, bad_gateway, too_many
from tests.vaults.infisical_state import Identity, Rule
from vaultferry.core.errors import (
    AuthenticationFailed,
    ConnectionNotReady,
    Failure,
    RateLimited,
    Unreachable,
)
from vaultferry.core.provider import Account, Session
from vaultferry.providers import infisical

AUDIENCE = "vaultferry.dev/infisical"
BY: dict[str, Any] = {
    "clientId": None,
    "clientSecretSecretRef": None,
    "kubernetesAuth": {"identityId": "pod", "serviceAccountRef": {"name": "reader"}},
}
HOUR = 3600.0


def issuing(**settings: Any) -> Issuing:
    return Issuing(AUDIENCE, **settings)


def opened(there: Shop, issue: Issuing, **settings: Any) -> Session:
    """Return a session as the identity, which the server knows."""
    identities = there.state.identities
    known = Identity(subjects=[SUBJECT], audience=AUDIENCE, rules={"shop": [Rule()]})
    identities.setdefault("pod", known)
    given = settings_of(server=there.server, **BY, **settings)
    return infisical.session(given, issue, there.outbound, there.clock)


def test_a_folder_is_read_as_a_service_account() -> None:
    async def story(there: Shop) -> None:
        issue = issuing()

        found = await opened(there, issue).fetch("/app/db", None)

        assert found.values["PASS"] == b"made-up-1"
        assert there.asked(KUBERNETES) == [200]
        assert len(issue.issued) == 1

    within(story)


def test_the_credential_is_the_account_with_an_audience_of_its_own() -> None:
    account = infisical.PROVIDER.token(settings_of(**BY))

    assert account == Account("reader", "infisical")
    assert isinstance(account, Account)
    assert account.audience == AUDIENCE


def test_sessions_with_the_same_account_log_in_once_and_with_another_one_again() -> (
    None
):
    async def story(there: Shop) -> None:
        issue, other = issuing(), issuing()
        sessions = [opened(there, issue), opened(there, issue, environment="prod")]

        await asyncio.gather(
            *(sessions[0].fetch(folder, None) for folder in ("/", "/app/db")),
            sessions[1].fetch("/app", None),
        )
        assert there.asked(KUBERNETES) == [200]

        await opened(there, other).check()
        assert there.asked(KUBERNETES) == [200, 200]

    within(story)


def test_after_an_hour_at_most_the_account_is_asked_again() -> None:
    async def story(there: Shop) -> None:
        issue = issuing()
        session = opened(there, issue)
        await session.check()
        there.pass_time(HOUR - 1)
        await session.check()
        assert len(issue.issued) == 1

        there.pass_time(2.0)
        issue.failure = ConnectionNotReady("no consent any more")
        asked = len(there.asked())

        assert await failure(session.check()) is issue.failure
        assert len(there.asked()) == asked

    within(story)


def test_a_token_that_is_refused_is_exchanged_anew_by_a_fresh_one() -> None:
    async def story(there: Shop) -> None:
        issue = issuing()
        session = opened(there, issue)
        await session.check()
        there.server.vault.ahead += 31 * 24 * HOUR

        await session.fetch("/", None)

        assert there.asked(V4) == [403, 200]
        assert len(set(issue.issued)) == 2

    within(story)


@pytest.mark.parametrize(
    ("subject", "audience"),
    [(f"{SUBJECT}-x", AUDIENCE), (SUBJECT, "https://kubernetes.default.svc")],
    ids=["subject", "audience"],
)
def test_a_login_that_is_refused_is_not_tried_again_for_a_minute(
    subject: str, audience: str
) -> None:
    async def story(there: Shop) -> None:
        issue = Issuing(audience, subject)
        session = opened(there, issue)
        for seconds in (0.0, 30.0, 29.0):
            there.pass_time(seconds)
            found = await failure(session.check())
            assert type(found) is AuthenticationFailed
        assert "ServiceAccount" in str(found)
        assert there.asked(KUBERNETES) == [401]

        there.pass_time(1.0)
        await failure(session.check())
        assert there.asked(KUBERNETES) == [401, 401]

    within(story)


def test_an_identity_that_is_not_there_is_a_login_that_is_refused() -> None:
    async def story(there: Shop) -> None:
        session = opened(there, issuing())
        del there.state.identities["pod"]

        assert type(await failure(session.check())) is AuthenticationFailed
        assert there.asked(KUBERNETES) == [404]

    within(story)


@pytest.mark.parametrize("raw", [b"", b"two words", "ž".encode()])
def test_what_is_no_token_is_not_sent(raw: bytes) -> None:
    async def story(there: Shop) -> None:
        session = opened(there, issuing(raw=raw))

        assert type(await failure(session.check())) is AuthenticationFailed
        assert there.asked() == []

    within(story)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (bad_gateway(), Unreachable),
        (Fault(status=404, body=NO_ROUTE), Unreachable),
        (Fault(status=500, body="{}"), Unreachable),
        (Fault(status=200, body="[]"), Unreachable),
        (too_many(retry_after=9), RateLimited),
        (Fault(status=400, body="{}"), AuthenticationFailed),
        (Fault(status=422, body="{}"), AuthenticationFailed),
    ],
    ids=lambda value: f"{value.status}" if isinstance(value, Fault) else "",
)
def test_a_login_that_goes_wrong_is_the_fault_of_the_connection(
    fault: Fault, kind: type[Failure]
) -> None:
    async def story(there: Shop) -> None:
        there.server.faults = [fault.model_copy(update={"path": KUBERNETES})]

        assert type(await failure(opened(there, issuing()).check())) is kind

    within(story)


def test_neither_the_token_nor_what_is_said_of_it_is_in_a_failure() -> None:
    async def story(there: Shop) -> None:
        for status in (400, 401, 403, 404, 422, 429, 500):
            issue = issuing()
            said = json.dumps({"error": "canary", "message": "canary"})
            there.server.faults = [Fault(path=KUBERNETES, status=status, body=said)]
            session = opened(there, issue)
            found = await failure(session.check())
            shown = "".join(format_exception(found)) + str(vars(found)) + repr(session)
            assert "canary" not in shown
            assert issue.issued[0] not in shown

    within(story)


SECRET = {"name": "s"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (BY, ""),
        ({}, ""),
        ({"kubernetesAuth": BY["kubernetesAuth"]}, "or kubernetesAuth"),
        ({"clientId": None}, "or kubernetesAuth"),
        ({"clientSecretSecretRef": None}, "or kubernetesAuth"),
        (BY | {"clientId": "x"}, "or kubernetesAuth"),
        (BY | {"clientSecretSecretRef": SECRET}, "or kubernetesAuth"),
        (BY | {"kubernetesAuth": None}, "or kubernetesAuth"),
    ],
)
def test_a_connection_has_exactly_one_credential(
    given: dict[str, Any], words: str
) -> None:
    section = settings_of(**given).model_dump(by_alias=True, exclude_none=True)

    complaints = refusals("infisical", section)

    assert words in complaints
    assert bool(complaints) is bool(words)


def test_a_section_without_a_credential_that_got_past_is_said() -> None:
    with pytest.raises(ConnectionNotReady):
        infisical.PROVIDER.token(settings_of(**(BY | {"kubernetesAuth": None})))
