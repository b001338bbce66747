"""Tokens of ServiceAccounts, against a stand-in for the API server."""

import pytest

from tests.builders import NAMESPACE
from tests.running import run
from tests.standin import StandIn
from vaultferry.core.answers import Stale
from vaultferry.core.consent import ALLOW
from vaultferry.core.errors import (
    ApiForbidden,
    ApiRejected,
    ApiUnavailable,
    ConnectionNotReady,
    NotLeading,
)
from vaultferry.core.provider import Account
from vaultferry.core.vaultconnection import AccountRef
from vaultferry.issuing import Issuer
from vaultferry.views import Key

WAY = Key(NAMESPACE, "vault")
READER = Account.at(AccountRef(name="reader"), "infisical")


def cluster(allow: str | None = "token") -> StandIn:
    """Return a stand-in with an account that consents, or not."""
    there = StandIn()
    annotations = {} if allow is None else {ALLOW: allow}
    metadata = {"namespace": NAMESPACE, "name": "reader", "annotations": annotations}
    there.store(there.accounts, {"metadata": metadata})
    return there


def refusal(there: StandIn) -> str:
    """Return why no token is issued."""
    with pytest.raises(ConnectionNotReady) as caught:
        run(Issuer(there, WAY, READER)())
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_each_token_is_a_new_one_by_the_consent_of_now() -> None:
    there = cluster()
    issue = Issuer(there, WAY, READER)

    tokens = [run(issue()), run(issue())]

    assert len(set(tokens)) == 2
    assert there.calls == ["get service account", "create token"] * 2
    assert set(there.audiences) == {"vaultferry.dev/infisical"}


@pytest.mark.parametrize("allow", ["token", "token=vault", "read, token=va*"])
def test_an_account_consents_by_the_word_for_tokens(allow: str) -> None:
    assert b"canary" in run(Issuer(cluster(allow), WAY, READER)())


@pytest.mark.parametrize("allow", [None, "", "read", "token=other", "token, nonsense"])
def test_without_consent_no_token_is_asked_for(allow: str | None) -> None:
    there = cluster(allow)

    assert refusal(there) == (
        "ServiceAccount reader is not there for a vault: annotate it with "
        "vaultferry.dev/allow: token=vault"
    )
    assert there.calls == ["get service account"]


def test_an_account_that_is_not_there_is_named() -> None:
    assert refusal(StandIn()) == "ServiceAccount reader does not exist"


@pytest.mark.parametrize("call", ["get service account", "create token"])
def test_a_right_that_lacks_is_said_with_where_it_is(call: str) -> None:
    there = cluster()
    there.faults[call] = [ApiForbidden("canary")]

    said = refusal(there)

    assert "the operator lacks the rights of deploy/identities" in said
    assert "canary" not in said


@pytest.mark.parametrize(
    "fault",
    [ApiUnavailable("canary"), ApiRejected("canary"), NotLeading("canary"), Stale()],
    ids=lambda fault: type(fault).__name__,
)
def test_an_api_server_that_issues_none_is_said(fault: Exception) -> None:
    there = cluster()
    there.faults["create token"] = [fault]

    assert refusal(there) == (
        "ServiceAccount reader gives no token now: the API server does not issue it"
    )


def test_an_answer_without_a_token_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: str) -> dict[str, object]:
        return {"status": {"token": None}}

    there = cluster()
    monkeypatch.setattr(there, "create_token", nothing)

    assert "gives no token now" in refusal(there)


def test_who_asks_for_the_same_account_and_connection_is_equal() -> None:
    there = cluster()
    issue = Issuer(there, WAY, READER)

    assert issue == Issuer(
        there, Key(NAMESPACE, "vault"), Account("reader", "infisical")
    )
    assert hash(issue) == hash(Issuer(there, WAY, READER))
    assert issue != Issuer(there, Key(NAMESPACE, "other"), READER)
    assert issue != Issuer(there, Key("other", "vault"), READER)
    assert issue != Issuer(there, WAY, Account("reader", "doppler"))


@pytest.mark.parametrize("vault", ["doppler", "infisical"])
def test_an_audience_is_never_one_that_an_api_server_has_unasked(vault: str) -> None:
    assert Account("reader", vault).audience == f"vaultferry.dev/{vault}"
