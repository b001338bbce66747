"""How sessions of Infisical log in: rarely, and never as often as locks them out."""

import asyncio
import json
from traceback import format_exception

import pytest

from tests.providers.infisical import LOGIN, NO_ROUTE, Shop
from tests.providers.test_infisical import V4, failure, within
from tests.vaults.faults import Fault, bad_gateway, too_many
from tests.vaults.infisical_shop import SECRET
from vaultferry.core.errors import (
    AuthenticationFailed,
    Failure,
    RateLimited,
    Unreachable,
)

FOLDERS = ("/", "/app/db", "/shared", "/bare")
WRONG = "canary-wrong-secret"
DAY = 86400.0


def test_fetches_side_by_side_log_in_once_whatever_the_session() -> None:
    async def story(there: Shop) -> None:
        sessions = [there.session(), there.session(environment="prod")]

        await asyncio.gather(
            *(sessions[0].fetch(folder, None) for folder in FOLDERS),
            sessions[1].fetch("/app", None),
        )

        assert there.asked(LOGIN) == [200]
        assert there.asked(V4) == [200] * 5

    within(story)


def test_another_identity_or_another_secret_is_another_login() -> None:
    async def story(there: Shop) -> None:
        sessions = [there.session(), there.session("dev")]
        for session in sessions:
            await session.check()
        wrong = there.session(secret=WRONG)

        assert type(await failure(wrong.check())) is AuthenticationFailed
        assert there.asked(LOGIN) == [200, 200, 401]

    within(story)


def test_blanks_around_the_secret_do_no_harm() -> None:
    async def story(there: Shop) -> None:
        await there.session(secret=f" {SECRET}-all\n").check()

        assert there.asked(LOGIN) == [200]

    within(story)


@pytest.mark.parametrize("secret", ["two words", "ž", " "])
def test_what_is_no_secret_is_not_sent(secret: str) -> None:
    async def story(there: Shop) -> None:
        with pytest.raises(AuthenticationFailed):
            there.session(secret=secret)

    within(story)


def test_a_token_is_used_until_shortly_before_it_expires() -> None:
    async def story(there: Shop) -> None:
        session = there.session()
        await session.fetch("/", None)
        there.pass_time(30 * DAY - 31)
        await session.fetch("/", None)
        assert there.asked(LOGIN) == [200]

        there.pass_time(2)
        await session.fetch("/", None)

        assert there.asked(LOGIN) == [200, 200]
        assert set(there.asked(V4)) == {200}

    within(story)


def test_a_token_of_seconds_is_used_for_most_of_them() -> None:
    async def story(there: Shop) -> None:
        short = there.state.identities["short"]
        short.ttl = short.max_ttl = 50
        session = there.session("short")
        await session.fetch("/", None)
        there.pass_time(44.0)
        await session.fetch("/", None)
        assert there.asked(LOGIN) == [200]

        there.pass_time(2.0)
        await session.fetch("/", None)
        assert there.asked(LOGIN) == [200, 200]

    within(story)


def test_a_token_that_is_said_not_to_expire_is_used_until_it_is_refused() -> None:
    async def story(there: Shop) -> None:
        body = json.dumps({"accessToken": "a.b.c", "expiresIn": 0})
        login = Fault(path=LOGIN, status=200, body=body, times=1)
        listed = Fault(path=V4, status=200, body='{"secrets":[]}', times=2)
        there.server.faults = [login, listed]
        session = there.session()
        for _ in range(2):
            await session.fetch("/", None)
            there.pass_time(365 * DAY)
        assert there.asked(LOGIN) == [200]

        await session.fetch("/", None)

        assert there.asked(V4) == [200, 200, 403, 200]
        assert there.asked(LOGIN) == [200, 200]

    within(story)


@pytest.mark.parametrize(
    ("status", "word"), [(403, "TokenError"), (401, "UnauthorizedError")]
)
def test_a_token_that_is_refused_is_replaced_once_for_all_fetches(
    status: int, word: str
) -> None:
    async def story(there: Shop) -> None:
        session = there.session()
        await session.check()
        first = there.server.record[-1].headers["authorization"]
        there.server.faults = [
            Fault(
                path=V4,
                matches=lambda entry: entry.headers["authorization"] == first,
                status=status,
                body=json.dumps({"reqId": "r", "statusCode": status, "error": word}),
            )
        ]

        await asyncio.gather(*(session.fetch(folder, None) for folder in FOLDERS))

        assert there.asked(V4).count(200) == len(FOLDERS)
        assert status in there.asked(V4)
        assert there.asked(LOGIN) == [200, 200]

    within(story)


def test_a_token_that_expired_before_its_time_is_replaced() -> None:
    async def story(there: Shop) -> None:
        session = there.session()
        await session.check()
        there.server.vault.ahead += 31 * DAY

        await session.fetch("/", None)

        assert there.asked(V4) == [403, 200]

    within(story)


def test_a_vault_that_takes_none_of_its_own_tokens_is_not_asked_for_ever() -> None:
    async def story(there: Shop) -> None:
        there.server.faults = [Fault(path=V4, status=401, body="{}")]
        session = there.session()

        found = await failure(session.fetch("/", None))

        assert isinstance(found, AuthenticationFailed)
        assert found.wait >= 60
        assert (there.asked(LOGIN), there.asked(V4)) == ([200, 200], [401, 401])

    within(story)


def test_a_login_that_was_refused_is_not_tried_again_for_a_minute() -> None:
    async def story(there: Shop) -> None:
        # As many connections as like: they share the credential, and so its failure.
        sessions = [there.session(secret=WRONG, environment=e) for e in "abcde"]
        for seconds in (0.0, 0.0, 59.0):
            there.pass_time(seconds)
            found = await asyncio.gather(
                *(failure(session.fetch("/", None)) for session in sessions)
            )
            assert {type(each) for each in found} == {AuthenticationFailed}
        assert there.asked() == [401]
        assert isinstance(found[0], AuthenticationFailed)
        assert found[0].wait == pytest.approx(1.0)

        there.pass_time(1.0)
        again = await failure(sessions[0].check())

        assert isinstance(again, AuthenticationFailed)
        assert again.wait == 60
        assert there.asked() == [401, 401]

    within(story)


def test_a_wrong_secret_alone_never_locks_the_identity() -> None:
    async def story(there: Shop) -> None:
        session = there.session(secret=WRONG)
        for _ in range(10):
            await failure(session.check())
            there.pass_time(60.0)
        await there.session().check()

        assert there.asked(LOGIN) == [401] * 10 + [200]

    within(story)


def test_an_identity_that_is_locked_is_left_alone_until_it_is_open_again() -> None:
    async def story(there: Shop) -> None:
        for number in range(3):
            await failure(there.session(secret=f"{WRONG}-{number}").check())
        session = there.session()
        found = await failure(session.check())
        assert isinstance(found, AuthenticationFailed)
        assert found.wait >= 300
        assert "locked" in str(found)
        there.pass_time(299.0)
        assert str(await failure(session.check())) == str(found)
        assert there.asked(LOGIN) == [401] * 4

        there.pass_time(found.wait - 299.0)
        await session.check()

    within(story)


def test_a_new_secret_is_tried_at_once_and_the_old_token_is_of_no_use() -> None:
    async def story(there: Shop) -> None:
        session = there.session()
        await session.check()
        identity = there.state.identities["all"]
        identity.secret_revoked = True
        for _ in range(2):
            assert type(await failure(session.check())) is AuthenticationFailed
        assert there.asked("/api/v1/projects") == [200, 401]

        identity.secret_revoked, identity.client_secret = False, "another"
        await there.session(secret="another").fetch("/", None)

        assert there.asked(LOGIN) == [200, 401, 200]

    within(story)


@pytest.mark.parametrize(
    ("fault", "kind", "wait"),
    [
        (bad_gateway(), Unreachable, 0),
        (Fault(status=404, body=NO_ROUTE), Unreachable, 0),
        (Fault(status=404, body='{"reqId":"r","error":"NotFound"}'), Unreachable, 0),
        (Fault(status=500, body="{}"), Unreachable, 0),
        (Fault(status=200, body="<html>"), Unreachable, 0),
        (Fault(status=200, body='["accessToken"]'), Unreachable, 0),
        (Fault(status=200, body='{"accessToken":"a.b.c"}'), Unreachable, 0),
        (Fault(status=200, body='{"expiresIn":9}'), Unreachable, 0),
        (Fault(reset=True), Unreachable, 0),
        (too_many(retry_after=9), RateLimited, 9),
        (Fault(status=400, body="{}"), AuthenticationFailed, 60),
        (Fault(status=403, body="<html>"), AuthenticationFailed, 60),
        (Fault(status=422, body='{"message":[{}]}'), AuthenticationFailed, 60),
    ],
    ids=lambda value: (
        f"{value.status} {value.body}" if isinstance(value, Fault) else ""
    ),
)
def test_a_login_that_goes_wrong_is_the_fault_of_the_connection(
    fault: Fault, kind: type[Failure], wait: float
) -> None:
    async def story(there: Shop) -> None:
        there.server.faults = [fault.model_copy(update={"path": LOGIN})]

        found = await failure(there.session().fetch("/", None))

        assert type(found) is kind
        assert getattr(found, "wait", None) == wait

    within(story)


def test_a_login_that_went_wrong_otherwise_is_tried_again_when_somebody_asks() -> None:
    async def story(there: Shop) -> None:
        there.server.faults = [bad_gateway(path=LOGIN, times=1)]
        session = there.session()
        await failure(session.check())

        await session.check()

        assert there.asked(LOGIN) == [502, 200]

    within(story)


def test_a_check_asks_with_the_token_and_for_no_value() -> None:
    async def story(there: Shop) -> None:
        session = there.session("none")

        await session.check()
        there.state.identities.pop("none")

        assert type(await failure(session.check())) is AuthenticationFailed
        assert there.asked("/api/v1/projects") == [200, 401]
        assert there.asked(V4) == []

    within(story)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=403, body='{"error":"Forbidden"}'), AuthenticationFailed),
        (bad_gateway(), Unreachable),
    ],
    ids=["403", "502"],
)
def test_a_check_fails_as_the_connection_does(
    fault: Fault, kind: type[Failure]
) -> None:
    async def story(there: Shop) -> None:
        there.server.faults = [fault.model_copy(update={"path": "/api/v1/projects"})]

        assert type(await failure(there.session().check())) is kind

    within(story)


def test_a_server_too_old_for_the_check_passes_by_its_login() -> None:
    async def story(there: Shop) -> None:
        projects = Fault(path="/api/v1/projects", status=404, body=NO_ROUTE)
        there.server.faults = [projects]

        await there.session().check()

        wrong = await failure(there.session(secret=WRONG).check())
        assert type(wrong) is AuthenticationFailed

    within(story)


def test_neither_the_secret_nor_what_is_said_of_it_is_in_a_failure() -> None:
    async def story(there: Shop) -> None:
        for status in (400, 401, 403, 422, 429, 500):
            said = json.dumps({"error": WRONG, "message": WRONG})
            there.server.faults = [Fault(path=LOGIN, status=status, body=said)]
            found = await failure(there.session(secret=f"{WRONG}-{status}").check())
            assert WRONG not in "".join(format_exception(found)) + str(vars(found))

    within(story)
