"""VaultConnections, against stand-ins for the API server and for the vault."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from tests.builders import NAMESPACE, NOW, Body, connection_body, edited
from tests.running import run
from tests.standin import StandIn
from tests.vault import Vault
from tests.world import World
from vaultferry import connecting, providers
from vaultferry.connecting import Connector
from vaultferry.core.addresses import Exceptions
from vaultferry.core.consent import ALLOW
from vaultferry.core.errors import (
    AuthenticationFailed,
    ConnectionNotReady,
    Unreachable,
)
from vaultferry.core.provider import Account, Ambient, Credential, Given, Kept
from vaultferry.core.vaultconnection import VaultConnection
from vaultferry.issuing import Issuer
from vaultferry.outbound import Outbound
from vaultferry.pushing import Signers
from vaultferry.views import Key

WAY = Key(NAMESPACE, "vault")
TOKEN = Key(NAMESPACE, "token")
CANARY = "dp.st.canary"


class Office(World):
    """A connection, a Secret for its token, and a Connector between them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **spec: Any) -> None:
        super().__init__()
        self.vault = Vault({"shop/prd": {}})
        self.tokens: list[bytes] = []
        self.keys: list[Mapping[str, bytes]] = []
        self.given: list[Given] = []
        self.users: list[Key] = []
        self.signers = Signers(is_served=True)
        doppler = providers.load("doppler")
        monkeypatch.setattr(doppler, "session", self._session)
        self.connector = Connector(
            self.cluster,
            self.connections,
            self.secrets,
            self.places,
            Outbound(Exceptions()),
            self.users.append,
            lambda: self.now,
            lambda: NOW,
            self.signers,
        )
        self.cluster.connections[WAY] = connection_body(**spec)
        self.see()

    def _session(self, settings: object, token: Given, outbound: object) -> Vault:
        del settings, outbound
        self.given.append(token)
        if isinstance(token, Mapping):
            self.keys.append(token)
            self.tokens += token.values()
        return self.vault

    def wants(self, monkeypatch: pytest.MonkeyPatch, credential: Credential) -> None:
        """Have the provider want another credential."""
        doppler = providers.load("doppler")
        provider = replace(doppler.PROVIDER, token=lambda _: credential)
        monkeypatch.setattr(doppler, "PROVIDER", provider)

    @property
    def message(self) -> str:
        """What the connection says of why."""
        status = self.cluster.connections[WAY]["status"]
        found: str = status["conditions"][0]["message"]
        return found

    def see(self, **metadata: Any) -> None:
        """Have the connection in view, as the API server has it."""
        body = edited(self.cluster.connections[WAY], **metadata)
        self.connections.put(self.cluster.store(self.cluster.connections, body))

    def store_token(self, value: str = CANARY, **more: Any) -> None:
        """Make or replace the Secret with the token."""
        body: Body = {
            "metadata": {"namespace": NAMESPACE, "name": "token"},
            "type": "vaultferry.dev/token",
            "data": {"token": base64.b64encode(value.encode()).decode()},
        }
        stored = self.cluster.store(self.cluster.secrets, body | more)
        self.secrets.put({"metadata": stored["metadata"]})

    def look(self) -> float:
        """Look after the connection once, and have the watch catch up."""
        self.cluster.calls.clear()
        wait = run(self.connector(WAY))
        self.connections.put(self.cluster.connections[WAY])
        return wait

    def store_signing(self, value: str = "canary-signing", **more: Any) -> None:
        """Make or replace the Secret with what webhooks are signed with."""
        body: Body = {
            "metadata": {"namespace": NAMESPACE, "name": "hook"},
            "type": "vaultferry.dev/token",
            "data": {"token": base64.b64encode(value.encode()).decode()},
        }
        stored = self.cluster.store(self.cluster.secrets, body | more)
        self.secrets.put({"metadata": stored["metadata"]})

    def takes(self, secret: bytes) -> bool:
        """Tell whether a webhook of the connection is taken that is signed so."""
        signed = hmac.new(secret, b"{}", hashlib.sha256).hexdigest()
        headers = {"x-doppler-signature": [f"sha256={signed}"]}
        return self.signers.verify(WAY, headers, b"{}", 0.0)

    @property
    def webhook(self) -> tuple[str, str, str]:
        """What the connection says of its webhooks."""
        status = VaultConnection.parse(self.cluster.connections[WAY]).status
        said = status.condition("Webhook")
        return (said.status, said.reason, said.message) if said else ("", "", "")

    @property
    def said(self) -> tuple[str, str]:
        """What the connection says of itself."""
        status = VaultConnection.parse(self.cluster.connections[WAY]).status
        ready = status.condition("Ready")
        return (ready.status, ready.reason) if ready else ("", "")


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    return Office(monkeypatch)


def test_a_new_connection_is_opened_checked_and_reported(office: Office) -> None:
    office.store_token()

    assert office.look() == 300.0
    assert office.said == ("True", "Verified")
    assert office.tokens == [CANARY.encode()]
    assert office.vault.calls == ["check"]
    assert office.users == [WAY]


def test_one_that_selects_by_labels_that_nobody_may_see_is_not_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    office = Office(monkeypatch, access={"namespaceSelector": {}})
    office.connections.namespaces.refusal = "spec.access.namespaceSelector cannot be"
    office.store_token()
    office.look()
    assert office.said == ("False", "ConnectionNotReady")
    assert (office.tokens, office.vault.calls) == ([], [])

    office.connections.namespaces.refusal = ""
    office.look()
    assert office.said == ("True", "Verified")


def test_a_connection_that_nothing_happened_to_costs_nothing(office: Office) -> None:
    office.store_token()
    office.look()
    office.look()

    assert office.cluster.calls == []
    assert office.vault.calls == ["check"]
    assert office.tokens == [CANARY.encode()]


def test_without_traffic_it_is_checked_now_and_then(office: Office) -> None:
    office.store_token()
    office.look()
    office.now += 301.0
    office.look()

    assert office.vault.calls == ["check", "check"]
    assert office.cluster.calls == []


def test_a_vault_that_counts_calls_by_the_day_is_checked_every_few_hours(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    doppler = providers.load("doppler")
    slow = replace(doppler.PROVIDER, check_seconds=4 * 3600.0)
    monkeypatch.setattr(doppler, "PROVIDER", slow)
    office.store_token()

    assert office.look() == 4 * 3600.0
    office.now += 4 * 3600.0 - 1.0
    office.look()
    assert office.vault.calls == ["check"]
    assert office.said == ("True", "Verified")

    office.now += 2.0
    office.look()
    assert office.vault.calls == ["check", "check"]


def test_after_a_restart_a_status_that_is_good_is_believed(office: Office) -> None:
    office.store_token()
    office.look()
    office.places.disconnect(WAY)
    office.look()

    assert office.vault.calls == ["check"]
    assert office.cluster.calls == ["get secret"]


def test_another_token_opens_another_session(office: Office) -> None:
    office.store_token()
    office.look()
    office.store_token("dp.st.other")
    office.look()

    assert office.tokens == [CANARY.encode(), b"dp.st.other"]
    assert office.users == [WAY, WAY]


def test_another_spec_opens_another_session_and_is_checked(office: Office) -> None:
    office.store_token()
    office.look()
    office.see(generation=2)
    office.look()

    assert len(office.tokens) == 2
    assert office.vault.calls == ["check", "check"]
    status = office.cluster.connections[WAY]["status"]
    assert status["observedGeneration"] == 2


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (None, "Secret token does not exist"),
        ({"data": {"other": "eA=="}}, "Secret token has no key token"),
        ({"data": {"token": ""}}, "Secret token has no key token"),
        ({"type": "Opaque"}, "give it the type vaultferry.dev/token or annotate"),
        ({"type": "helm.sh/release.v1"}, "which is never read"),
        ({"type": "kubernetes.io/service-account-token"}, "which is never read"),
    ],
    ids=["absent", "no key", "empty", "no consent", "helm", "service account"],
)
def test_a_token_that_cannot_be_had_is_said(
    office: Office, more: Body | None, words: str
) -> None:
    if more is not None:
        office.store_token(**more)

    assert office.look() == inf
    assert office.said == ("False", "ConnectionNotReady")
    message = office.cluster.connections[WAY]["status"]["conditions"][0]["message"]
    assert words in message
    assert office.connections.unusable(WAY)
    assert office.tokens == []

    office.store_token()
    office.look()
    assert office.said == ("True", "Verified")
    assert office.connections.unusable(WAY) is None


@pytest.mark.parametrize(("allow", "well"), [("token", True), ("token=vault", True)])
def test_a_secret_of_any_type_may_consent(
    office: Office, allow: str, *, well: bool
) -> None:
    metadata = {"namespace": NAMESPACE, "name": "token", "annotations": {ALLOW: allow}}
    office.store_token(type="Opaque", metadata=metadata)
    office.look()

    assert (office.said[0] == "True") is well


def test_consent_for_another_connection_is_none(office: Office) -> None:
    allow = {ALLOW: "token=other"}
    metadata = {"namespace": NAMESPACE, "name": "token", "annotations": allow}
    office.store_token(type="Opaque", metadata=metadata)
    office.look()

    assert office.said == ("False", "ConnectionNotReady")


def test_a_token_that_goes_closes_the_connection(office: Office) -> None:
    office.store_token()
    office.look()
    seen = office.secrets.get(TOKEN)
    assert seen is not None
    del office.cluster.secrets[TOKEN]
    office.secrets.drop(TOKEN, seen.uid, 1_000)
    assert office.connections.opening(TOKEN) == (WAY,)
    office.look()

    assert office.said == ("False", "ConnectionNotReady")
    assert office.places.version(WAY) is None


def test_a_vault_that_refuses_the_token_is_reported_and_recovers(
    office: Office,
) -> None:
    office.store_token()
    office.vault.failure = AuthenticationFailed("no")
    assert office.look() == 60.0
    assert office.said == ("False", "AuthenticationFailed")

    office.vault.failure = None
    office.now += 61.0
    assert office.look() == 300.0
    assert office.said == ("True", "Verified")


def test_the_same_failure_is_written_once(office: Office) -> None:
    office.store_token()
    office.vault.failure = Unreachable("away")
    writes = []
    for _ in range(10):
        office.look()
        writes += [call for call in office.cluster.calls if call.startswith("update")]
        office.now += 60.0

    assert writes == ["update connection status"]
    assert len(office.vault.calls) == 10


@pytest.mark.parametrize(
    "spec", [{"doppler": None}, {"doppler": {"project": "x"}}, {"access": "all"}]
)
def test_a_spec_that_is_not_understood_is_said(
    monkeypatch: pytest.MonkeyPatch, spec: Body
) -> None:
    office = Office(monkeypatch, **spec)
    office.store_token()
    office.look()

    assert office.said == ("False", "ConnectionNotReady")
    assert office.cluster.calls == ["update connection status"]


@pytest.mark.parametrize("how", ["gone", "going"])
def test_a_connection_that_goes_is_closed(office: Office, how: str) -> None:
    office.store_token()
    office.look()
    if how == "gone":
        office.connections.drop(WAY, "uid-of-vault")
    else:
        office.see(deletionTimestamp=NOW)
    office.look()

    assert office.cluster.calls == []
    assert office.places.version(WAY) is None
    assert office.connections.opening(TOKEN) == ()


def test_a_token_is_shown_nowhere(office: Office) -> None:
    office.store_token()
    office.look()

    shown = repr(office.connector), str(office.cluster.connections), repr(connecting)
    assert CANARY not in str(shown)
    assert isinstance(office.cluster, StandIn)


def test_a_session_of_an_account_gets_what_asks_for_tokens_and_asks_for_none(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Account("reader", "doppler")
    office.wants(monkeypatch, reader)
    office.look()

    assert office.given == [Issuer(office.cluster, WAY, reader)]
    assert office.cluster.calls == ["update connection status"]
    assert office.said == ("True", "Verified")
    assert office.connections.opening(TOKEN) == ()


def test_a_session_of_an_account_is_opened_anew_with_another_spec_only(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.wants(monkeypatch, Account("reader", "doppler"))
    office.look()
    office.look()
    assert len(office.given) == 1

    office.see(generation=2)
    office.look()

    assert len(office.given) == 2


def test_who_changes_from_a_secret_to_an_account_is_no_longer_opened_by_the_secret(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.store_token()
    office.look()
    office.wants(monkeypatch, Account("reader", "doppler"))
    office.see(generation=2)
    office.look()

    assert office.connections.opening(TOKEN) == ()
    assert len(office.given) == 2


def test_an_account_that_gives_no_token_is_asked_again_in_a_minute(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.wants(monkeypatch, Account("reader", "doppler"))
    office.vault.failure = ConnectionNotReady("no consent")
    assert office.look() == 60.0
    assert (office.said, office.message) == (
        ("False", "ConnectionNotReady"),
        "no consent",
    )

    office.vault.failure = None
    office.now += 60.0
    office.look()
    assert office.said == ("True", "Verified")


ENVIRON = {"ROLE": "canary-role", "EMPTY": "", "ENCRYPTION_KEY": "canary-key"}
AMBIENT = Ambient(("ROLE", "EMPTY", "ABSENT"))


def test_what_the_operator_is_itself_goes_to_namespaces_that_are_named_only(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.wants(monkeypatch, AMBIENT)
    office.connector = replace(office.connector, environ=ENVIRON, ambient=("other",))
    assert office.look() == inf
    assert office.given == []
    assert office.said == ("False", "ConnectionNotReady")
    assert "--ambient-namespace" in office.message

    office.connector = replace(office.connector, ambient=("x", NAMESPACE))
    office.look()

    assert office.given == [{"ROLE": b"canary-role"}]
    assert "canary" not in repr(office.connector)


def test_unless_told_otherwise_no_namespace_gets_what_the_operator_is_itself(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.wants(monkeypatch, AMBIENT)
    office.look()

    assert office.given == []
    assert "--ambient-namespace" in office.message


@pytest.fixture
def several(office: Office, monkeypatch: pytest.MonkeyPatch) -> Office:
    """One whose provider wants two keys of the Secret, and takes a third along."""
    doppler = providers.load("doppler")
    kept = Kept("token", ("a", "b"), optional=("c",))
    provider = replace(doppler.PROVIDER, token=lambda _: kept)
    monkeypatch.setattr(doppler, "PROVIDER", provider)
    return office


def _encoded(**data: bytes) -> Body:
    return {"data": {key: base64.b64encode(data[key]).decode() for key in data}}


@pytest.mark.parametrize("third", [{}, {"c": b"3"}], ids=["without", "with"])
def test_a_session_gets_the_keys_that_its_provider_asks_for_and_no_others(
    several: Office, third: dict[str, bytes]
) -> None:
    several.store_token(**_encoded(a=b"1", b=b"2", other=b"canary", **third))
    several.look()

    assert several.said == ("True", "Verified")
    assert several.keys == [{"a": b"1", "b": b"2"} | third]


@pytest.mark.parametrize("given", [{"a": b"1"}, {"a": b"1", "b": b""}])
def test_of_several_keys_the_one_that_lacks_is_named(
    several: Office, given: dict[str, bytes]
) -> None:
    several.store_token(**_encoded(**given))
    several.look()

    message = several.cluster.connections[WAY]["status"]["conditions"][0]["message"]
    assert message == "Secret token has no key b"
    assert several.keys == []


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> Office:
    """One whose connection wants webhooks."""
    section = connection_body()["spec"]["doppler"]
    way = {"doppler": section | {"webhookSecretRef": {"name": "hook"}}}
    office = Office(monkeypatch, **way)
    office.store_token()
    return office


def test_webhooks_are_taken_that_the_secret_of_the_connection_signs(
    signed: Office,
) -> None:
    signed.store_signing("canary-signing\n")
    signed.look()

    assert signed.webhook[:2] == ("True", "Configured")
    assert signed.said == ("True", "Verified")
    assert signed.takes(b"canary-signing")
    assert not signed.takes(b"")

    signed.look()
    assert signed.cluster.calls == []


def test_another_secret_takes_the_place_of_the_one_before(signed: Office) -> None:
    signed.store_signing()
    signed.look()
    assert signed.connections.opening(Key(NAMESPACE, "hook")) == (WAY,)
    signed.store_signing("another")
    signed.look()

    assert not signed.takes(b"canary-signing")
    assert signed.takes(b"another")
    assert signed.tokens == [CANARY.encode()]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (None, "Secret hook does not exist"),
        ({"data": {"other": "eA=="}}, "Secret hook has no key token"),
        ({"data": {"token": "IAo="}}, "Secret hook: key token holds nothing but"),
        ({"type": "Opaque"}, "Secret hook is not there to be a token"),
        ({"type": "kubernetes.io/service-account-token"}, "which is never read"),
    ],
    ids=["absent", "no key", "blanks", "no consent", "service account"],
)
def test_without_what_signs_the_connection_works_and_says_so(
    signed: Office, more: Body | None, words: str
) -> None:
    if more is not None:
        signed.store_signing(**more)

    assert signed.look() == 300.0
    assert signed.said == ("True", "Verified")
    assert signed.webhook[:2] == ("False", "SecretNotReady")
    assert words in signed.webhook[2]
    assert not signed.takes(b"")
    assert not signed.takes(b"x")

    signed.look()
    signed.look()
    assert signed.cluster.calls == []

    signed.store_signing()
    signed.look()
    assert signed.webhook[:2] == ("True", "Configured")
    assert signed.takes(b"canary-signing")


def test_a_secret_that_goes_ends_webhooks_and_nothing_else(signed: Office) -> None:
    signed.store_signing()
    signed.look()
    hook = Key(NAMESPACE, "hook")
    seen = signed.secrets.get(hook)
    assert seen is not None
    del signed.cluster.secrets[hook]
    signed.secrets.drop(hook, seen.uid, 1_000)
    signed.look()

    assert signed.webhook[:2] == ("False", "SecretNotReady")
    assert signed.said == ("True", "Verified")
    assert not signed.takes(b"canary-signing")


@pytest.mark.parametrize("how", ["gone", "no token", "not wanted"])
def test_webhooks_end_with_what_they_are_for(signed: Office, how: str) -> None:
    signed.store_signing()
    signed.look()
    if how == "gone":
        signed.connections.drop(WAY, "uid-of-vault")
    elif how == "no token":
        signed.store_token(type="Opaque")
    else:
        spec = connection_body()["spec"]
        signed.cluster.connections[WAY]["spec"] = spec
        signed.see(generation=2)
    signed.look()

    assert not signed.takes(b"canary-signing")
    assert how == "gone" or signed.webhook == ("", "", "")


def test_where_webhooks_cannot_come_the_connection_says_so_without_a_call(
    signed: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signed.signers, "_is_served", False)
    signed.store_signing()
    signed.look()

    assert signed.webhook[:2] == ("False", "NotServed")
    assert signed.cluster.calls.count("get secret") == 1
    assert not signed.takes(b"canary-signing")
