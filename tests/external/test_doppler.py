"""Values that come from a vault, which its vendor's own clients take for the real one.

The vault is a process beside the operator, reached over TLS with a certificate of its
own.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.acts import patch, patch_spec, ready
from tests.e2e.audit import AuditLog
from tests.e2e.operator import Operator
from tests.e2e.table import Row, becomes, settles
from tests.e2e.tenant import Tenant, eventually
from tests.e2e.vaults import (
    TOKEN,
    Doppler,
    connected,
    connection,
    connection_reason,
    doppler,
    fetched,
    stale,
    sync,
    token_secret,
)

long = pytest.mark.skipif(
    "CAMPAIGN" not in os.environ, reason="takes minutes: make campaign"
)

STATUS = "update vaultsecrets/status"
REALISED = Row(ready=("True", "Synced"), fresh=("True", "Synced"))
CANARY = "canary-in-the-vault-5f1c"
VALUES = {"DB_USER": "app", "DB_PASSWORD": CANARY, "OTHER": "left"}
MAPPED = [
    {"fieldName": "username", "reference": "DB_USER"},
    {"fieldName": "password", "reference": "DB_PASSWORD"},
]
ALL = [{"include": ["DB_*"]}]


@pytest.fixture
def vault(operator: Operator, tenant: Tenant) -> Iterator[Doppler]:
    """A Doppler, and a connection to it."""
    del operator
    with doppler(VALUES) as started:
        token_secret(tenant)
        with connected(tenant, connection(started)):
            yield started


def test_fields_of_a_vault_become_the_secret_by_one_call_and_two_writes(
    tenant: Tenant, vault: Doppler, audit: AuditLog
) -> None:
    since = audit.now()
    ready(tenant, fetched(tenant, "db", type="password", fieldMappings=MAPPED))

    assert tenant.data("db") == {"username": "app", "password": CANARY}
    assert audit.calls(since, tenant.namespace) == ["create secrets", STATUS]
    assert vault.downloads() == [200]
    becomes(tenant, "db", REALISED)
    settles(tenant, "db", ready=True)


def test_all_keys_of_a_place_become_the_secret(tenant: Tenant, vault: Doppler) -> None:
    del vault
    ready(tenant, fetched(tenant, "db", fieldsFrom=ALL))

    assert tenant.data("db") == {"DB_USER": "app", "DB_PASSWORD": CANARY}


@long
def test_a_change_arrives_within_the_interval_and_what_did_not_costs_nothing(
    tenant: Tenant, vault: Doppler, audit: AuditLog
) -> None:
    ready(tenant, fetched(tenant, "db", fieldsFrom=ALL, refreshInterval="1m"))
    since = audit.now()
    eventually(lambda: 304 in vault.downloads(), seconds=70)
    assert audit.calls(since, tenant.namespace) == []

    vault.put(VALUES | {"DB_PASSWORD": "changed"})
    took = eventually(lambda: tenant.data("db")["DB_PASSWORD"] == "changed", seconds=70)
    print(f"a change in the vault arrived after {took:.1f} s")
    becomes(tenant, "db", REALISED)
    assert audit.calls(since, tenant.namespace) == ["patch secrets", STATUS]
    assert tenant.get("vaultsecret", "db")["status"]["version"] == 2


@pytest.mark.parametrize("how", ["fieldMappings", "fieldsFrom"])
def test_what_the_vault_lost_stays_in_the_secret(
    tenant: Tenant, vault: Doppler, how: str
) -> None:
    mapped = [{"fieldName": "DB_USER", "reference": "DB_USER"}]
    spec = {"fieldMappings": mapped} if how == "fieldMappings" else {"fieldsFrom": ALL}
    ready(tenant, fetched(tenant, "db", **spec))
    before = tenant.get("secret", "db")
    vault.put({})
    sync(tenant, "db", "1")
    becomes(tenant, "db", stale("FieldMissing"))

    vault.state.configs.clear()
    vault.process.put(vault.state)
    sync(tenant, "db", "2")
    eventually(lambda: 404 in vault.downloads() or 403 in vault.downloads())
    assert tenant.get("secret", "db") == before

    vault.put(VALUES)
    sync(tenant, "db", "3")
    becomes(tenant, "db", REALISED)
    assert tenant.get("secret", "db") == before


def test_a_token_that_is_refused_is_said_at_the_connection_and_mended_there(
    tenant: Tenant, vault: Doppler
) -> None:
    ready(tenant, fetched(tenant, "db", fieldsFrom=ALL))
    vault.revoke()
    sync(tenant, "db", "1")
    eventually(lambda: connection_reason(tenant, "doppler") == "AuthenticationFailed")
    assert tenant.data("db") == {"DB_USER": "app", "DB_PASSWORD": CANARY}

    another = "dp.st.prd.another-token"
    vault.state.tokens[another] = (
        type(vault.state)
        .model_validate({"tokens": {"t": {"config": "shop/prd"}}})
        .tokens["t"]
    )
    vault.process.put(vault.state)
    patch(tenant, "secret", "doppler-token", {"stringData": {"token": another}})
    eventually(lambda: connection_reason(tenant, "doppler") == "Verified")
    sync(tenant, "db", "2")
    becomes(tenant, "db", REALISED)


def test_a_connection_waits_for_its_token_and_its_users_for_the_connection(
    operator: Operator, tenant: Tenant
) -> None:
    del operator
    with doppler(VALUES) as vault:
        tenant.apply(fetched(tenant, "db", fieldsFrom=ALL))
        eventually(lambda: tenant.reason("db") == "ConnectionMissing")
        tenant.apply(connection(vault))
        eventually(lambda: connection_reason(tenant, "doppler") == "ConnectionNotReady")
        eventually(lambda: tenant.reason("db") == "ConnectionNotReady")

        literal = f"--from-literal=token={TOKEN}"
        tenant.kubectl("create", "secret", "generic", "doppler-token", literal)
        allow = "vaultferry.dev/allow=token=doppler"
        eventually(lambda: connection_reason(tenant, "doppler") == "ConnectionNotReady")
        tenant.kubectl("annotate", "secret", "doppler-token", allow)

        becomes(tenant, "db", REALISED)
        assert connection_reason(tenant, "doppler") == "Verified"


@long
def test_an_outage_leaves_the_secret_and_is_over_soon_after_the_vault_is_back(
    tenant: Tenant, vault: Doppler, audit: AuditLog
) -> None:
    ready(tenant, fetched(tenant, "db", fieldsFrom=ALL, refreshInterval="1m"))
    before = tenant.get("secret", "db")
    with vault.process.refusing():
        since = audit.now()
        eventually(lambda: tenant.reason("db", "Fresh") == "Unreachable", seconds=150)
        assert tenant.reason("db") == "Synced"
        assert connection_reason(tenant, "doppler") == "Unreachable"
    took = eventually(lambda: tenant.reason("db", "Fresh") == "Synced", seconds=70)
    print(f"fresh again {took:.1f} s after the vault was back")
    writes = audit.calls(since, tenant.namespace).count(STATUS)
    assert writes == 2
    assert tenant.get("secret", "db") == before


def test_a_restart_asks_the_vault_for_nothing_and_writes_nothing(
    tenant: Tenant, vault: Doppler, operator: Operator, audit: AuditLog
) -> None:
    for number in range(5):
        ready(tenant, fetched(tenant, f"db-{number}", fieldsFrom=ALL))
    before = vault.downloads()
    assert before == [200]
    since = audit.now()
    with operator.stopped():
        pass
    patch_spec(tenant, "db-0", displayName="seen")
    eventually(
        lambda: tenant.get("vaultsecret", "db-0")["status"]["observedGeneration"] == 2
    )

    assert audit.calls(since, tenant.namespace) == ["get secrets", STATUS]
    assert vault.downloads() == before


def test_neither_a_value_nor_a_token_is_shown(
    tenant: Tenant, vault: Doppler, operator: Operator
) -> None:
    ready(tenant, fetched(tenant, "db", fieldsFrom=ALL))
    vault.put({"DB_PASSWORD": "", "X": CANARY})
    sync(tenant, "db", "1")
    becomes(tenant, "db", stale("ValueInvalid"))
    vault.revoke()
    sync(tenant, "db", "2")
    eventually(lambda: connection_reason(tenant, "doppler") == "AuthenticationFailed")

    kinds = "vaultsecrets,vaultconnections,events"
    shown = [
        tenant.kubectl("get", kinds, "-o", "yaml"),
        Path(operator.log).read_text(),
        operator.get("/metrics"),
    ]
    assert [text for text in shown if CANARY in text or TOKEN in text] == []
    assert "doppler" in shown[0]
