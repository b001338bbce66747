"""Vaults that are logged in to as a ServiceAccount, by tokens of a real API server.

The vaults verify them as the real ones do: Infisical has the API server review them,
Doppler checks their signature by the API server's public keys.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane import ControlPlane
from tests.e2e import accounts
from tests.e2e.acts import ready
from tests.e2e.audit import AuditLog
from tests.e2e.infisical import Infisical, fetched, infisical
from tests.e2e.listener import JWT, listening
from tests.e2e.operator import NAMESPACE, Operator
from tests.e2e.table import Row, becomes
from tests.e2e.tenant import Tenant, eventually
from tests.e2e.vaults import CONFIG, Doppler, doppler, stale, sync
from tests.e2e.vaults import fetched as doppler_fetched
from tests.vaults import jwt

STATUS = "update vaultsecrets/status"
ASKED = ["get serviceaccounts", "create serviceaccounts/token"]
REALISED = Row(ready=("True", "Synced"), fresh=("True", "Synced"))
CANARY = "canary-without-a-token-61c0"
LOGIN = "/api/v1/auth/kubernetes-auth/login"


@pytest.fixture(scope="module")
def rights(cluster: ControlPlane) -> Iterator[None]:
    """The rights that are off by default."""
    accounts.allow_tokens(cluster)
    yield
    accounts.take_away(cluster)


@pytest.fixture
def vault(
    operator: Operator, tenant: Tenant, cluster: ControlPlane, rights: None
) -> Iterator[Infisical]:
    """An Infisical with an identity that the ServiceAccount of the tenant may be."""
    del operator, rights
    with infisical() as started:
        started.state.identities["pod"] = accounts.in_infisical(tenant)
        started.state.reviewer = accounts.reviewer(cluster)
        started.put("/app", DB_USER="app", DB_PASSWORD=CANARY)
        yield started
        tenant.kubectl("delete", "vaultconnections.vaultferry.dev", "--all")


def connect(tenant: Tenant, vault: Infisical, **spec: Any) -> None:
    """Apply the connection, or change it."""
    manifest = accounts.to_infisical(vault)
    manifest["spec"] |= spec
    tenant.apply(manifest)


def said(tenant: Tenant, name: str = "infisical") -> tuple[str, str]:
    """Return reason and message of the connection."""
    status = tenant.get("vaultconnection", name).get("status") or {}
    generation = tenant.get("vaultconnection", name)["metadata"]["generation"]
    if status.get("observedGeneration") != generation:
        return "", ""
    [ready] = status["conditions"]
    return ready["reason"], ready["message"]


def verified(tenant: Tenant, name: str = "infisical") -> None:
    eventually(lambda: said(tenant, name)[0] == "Verified")


def refused(tenant: Tenant, name: str = "infisical") -> None:
    eventually(lambda: said(tenant, name)[0] == "AuthenticationFailed")


def shown(tenant: Tenant, operator: Operator) -> str:
    """Return all where something could come to light."""
    kinds = "vaultsecrets,vaultconnections,serviceaccounts,events"
    return "".join(
        [
            tenant.kubectl("get", kinds, "-o", "yaml"),
            Path(operator.log).read_text(),
            operator.get("/metrics"),
        ]
    )


def test_infisical_is_read_as_a_service_account_without_any_stored_token(
    tenant: Tenant, vault: Infisical, operator: Operator, audit: AuditLog
) -> None:
    accounts.account(tenant)
    since = audit.now()
    connect(tenant, vault)
    verified(tenant)
    ready(tenant, fetched(tenant, "db", fieldsFrom=[{}]))

    assert tenant.data("db") == {"DB_USER": "app", "DB_PASSWORD": CANARY}
    assert vault.asked(LOGIN) == [200]
    calls = audit.calls(since, tenant.namespace)
    connected = "update vaultconnections/status"
    assert calls == [*ASKED, connected, "create secrets", STATUS]
    text = shown(tenant, operator)
    assert CANARY not in text
    # Tokens of the API server as well as of the vault have that form.
    assert JWT.findall(text) == []


def without_consent(tenant: Tenant) -> None:
    accounts.account(tenant, allow="token=other")


def without_account(tenant: Tenant) -> None:
    del tenant


def without_rights(tenant: Tenant) -> None:
    accounts.account(tenant)
    accounts.forbid_tokens(tenant.plane)


@pytest.mark.parametrize(
    ("lack", "words"),
    [
        (without_consent, "annotate it with vaultferry.dev/allow: token=infisical"),
        (without_account, "ServiceAccount reader does not exist"),
        (without_rights, "the operator lacks the rights of deploy/identities"),
    ],
)
def test_what_lacks_is_said_and_the_vault_is_not_called_until_it_is_there(
    tenant: Tenant, vault: Infisical, lack: Callable[[Tenant], None], words: str
) -> None:
    lack(tenant)
    connect(tenant, vault)
    eventually(lambda: said(tenant)[0] == "ConnectionNotReady")

    assert words in said(tenant)[1]
    assert vault.process.requests() == []

    accounts.account(tenant)
    accounts.allow_tokens(tenant.plane)
    # It is looked at again in a minute, or when the connection changes.
    connect(tenant, vault, access={"keys": ["/app/**"]})
    verified(tenant)
    assert vault.asked(LOGIN) == [200]


def test_a_token_for_another_audience_is_refused_by_the_vault(
    tenant: Tenant, vault: Infisical
) -> None:
    accounts.account(tenant)
    vault.state.identities["pod"].audience = "another"
    vault.tell()
    connect(tenant, vault)
    refused(tenant)

    assert vault.asked(LOGIN) == [401]
    assert said(tenant)[1] == "the vault does not take the token of the ServiceAccount"


def test_a_service_account_that_is_deleted_ends_it_and_the_secret_stays(
    tenant: Tenant, vault: Infisical
) -> None:
    accounts.account(tenant)
    # Its token is used for most of a second, so each fetch takes a login.
    vault.state.identities["pod"].ttl = 1
    vault.tell()
    connect(tenant, vault)
    ready(tenant, fetched(tenant, "db", fieldsFrom=[{}]))
    before = tenant.get("secret", "db")
    tenant.kubectl("delete", "serviceaccount", "reader")
    time.sleep(1)
    vault.process.forget()
    sync(tenant, "db", "1")
    eventually(lambda: said(tenant)[0] == "ConnectionNotReady")
    sync(tenant, "db", "2")
    becomes(tenant, "db", stale("ConnectionNotReady"))

    assert said(tenant)[1] == "ServiceAccount reader does not exist"
    assert vault.process.requests() == []
    assert tenant.get("secret", "db") == before


@pytest.fixture
def config(
    operator: Operator, tenant: Tenant, cluster: ControlPlane, rights: None
) -> Iterator[Doppler]:
    """A Doppler with an identity that the ServiceAccount of the tenant may be."""
    del operator, rights
    accounts.account(tenant)
    with doppler({"DB_PASSWORD": CANARY}) as started:
        started.state.identities["oidc"] = accounts.in_doppler(tenant)
        started.state.keys = accounts.keys(cluster)
        started.process.put(started.state)
        yield started
        tenant.kubectl("delete", "vaultconnections.vaultferry.dev", "--all")


def test_doppler_is_read_as_a_service_account_without_any_stored_token(
    tenant: Tenant, config: Doppler, operator: Operator
) -> None:
    tenant.apply(accounts.to_doppler(config))
    verified(tenant, "doppler")
    ready(tenant, doppler_fetched(tenant, "db", fieldsFrom=[{}]))
    assert tenant.data("db") == {"DB_PASSWORD": CANARY}
    logins = [e.status for e in config.process.requests() if e.path == "/v3/auth/oidc"]
    assert logins == [200]

    # Another login is tried once where what it brought is not taken any more.
    config.state.configs[CONFIG] = {"DB_PASSWORD": "changed"}
    config.process.put(config.state)
    sync(tenant, "db", "1")
    eventually(lambda: tenant.data("db") == {"DB_PASSWORD": "changed"})
    becomes(tenant, "db", REALISED)
    text = shown(tenant, operator)
    assert [word for word in (CANARY, "dp.said.") if word in text] == []
    assert JWT.findall(text) == []


def test_a_token_that_is_too_old_when_it_comes_is_refused(
    tenant: Tenant, config: Doppler
) -> None:
    config.process.set_clock(601)
    tenant.apply(accounts.to_doppler(config))
    refused(tenant, "doppler")


def test_the_operator_gets_tokens_for_vaults_and_none_for_the_api_server(
    tenant: Tenant, rights: None
) -> None:
    del rights
    plane, here = tenant.plane, tenant.namespace
    ten = "--duration=600s"

    token = accounts.asked(plane, here, "--audience=vaultferry.dev/infisical", ten)

    assert jwt.read(token.strip())["aud"] == ["vaultferry.dev/infisical"]
    issuer = jwt.read(token.strip())["iss"]
    others = [
        [],
        [ten],
        [f"--audience={issuer}", ten],
        ["--audience=vaultferry.dev/x", f"--audience={issuer}", ten],
        ["--audience=vaultferry.dev/x", "--duration=1h"],
    ]
    for options in others:
        assert "is no token for a vault" in accounts.asked(plane, here, *options)
    assert plane.kubectl("create", "token", "default", "-n", here)


def test_an_address_of_a_tenant_gets_tokens_of_its_own_account_for_that_vault_only(
    tenant: Tenant, operator: Operator, rights: None
) -> None:
    del rights
    accounts.account(tenant)
    with listening() as listener:
        auth = {"identityId": "pod", "serviceAccountRef": accounts.READER}
        where = {"address": listener.url, "projectId": "p", "environment": "dev"}
        oidc = {"identityId": "oidc", "serviceAccountRef": accounts.READER}
        config = {"address": listener.url, "project": "p", "config": "c"}
        sections = {
            "infisical": where | {"kubernetesAuth": auth},
            "doppler": config | {"oidc": oidc},
        }
        for field, section in sections.items():
            tenant.apply(
                {
                    "apiVersion": "vaultferry.dev/v1alpha1",
                    "kind": "VaultConnection",
                    "metadata": {"name": field},
                    "spec": {field: section},
                }
            )
        for field in sections:
            refused(tenant, field)
        claims = [jwt.read(token) for token in listener.tokens]

    assert {each["sub"] for each in claims} == {accounts.subject(tenant)}
    assert sorted(each["aud"] for each in claims) == [
        ["vaultferry.dev/doppler"],
        ["vaultferry.dev/infisical"],
    ]
    assert all(each["exp"] - each["iat"] <= 600 for each in claims)
    [own] = JWT.findall(operator.kubeconfig.read_text())
    assert NAMESPACE in jwt.read(own)["sub"]
    assert own not in "".join(listener.got)
