"""Values that come from Infisical, on a real API server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.acts import patch, ready
from tests.e2e.audit import AuditLog
from tests.e2e.infisical import (
    LOGIN,
    SECRET,
    Infisical,
    client_secret,
    connection,
    fetched,
    infisical,
)
from tests.e2e.operator import Operator
from tests.e2e.table import Row, becomes, settles
from tests.e2e.tenant import Tenant, eventually
from tests.e2e.vaults import connection_reason, stale
from tests.vaults.infisical_state import Rule

STATUS = "update vaultsecrets/status"
REALISED = Row(ready=("True", "Synced"), fresh=("True", "Synced"))
CANARY = "canary-in-infisical-3b9e"
LISTS = "/api/v4/secrets"
MAPPED = [
    {"fieldName": "username", "reference": "DB_USER"},
    {"fieldName": "password", "reference": "/shared/DB_PASSWORD"},
]


@pytest.fixture
def vault(operator: Operator, tenant: Tenant) -> Iterator[Infisical]:
    """An Infisical with values, and a connection to it."""
    del operator
    with infisical() as started:
        started.put("/app", DB_USER="app", DUP="own")
        started.put("/shared", DB_PASSWORD=CANARY, DUP="imported")
        client_secret(tenant)
        connect(tenant, started)
        yield started
        tenant.kubectl("delete", "vaultconnections.vaultferry.dev", "--all")


def connect(tenant: Tenant, vault: Infisical, **access: list[str]) -> None:
    """Apply the connection, and wait for it."""
    manifest = connection(vault)
    manifest["spec"]["access"] = access
    tenant.apply(manifest)
    eventually(lambda: connection_reason(tenant, "infisical") == "Verified")


class Syncs:
    """Asks for newer values, each time by another word."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._number = 0

    def __call__(self) -> None:
        self._number += 1
        word = f"vaultferry.dev/force-sync={self._number}"
        self._tenant.kubectl("annotate", "--overwrite", "vaultsecret", "db", word)


def test_fields_of_two_folders_become_the_secret_by_two_lists_and_one_login(
    tenant: Tenant, vault: Infisical, audit: AuditLog
) -> None:
    since = audit.now()
    ready(tenant, fetched(tenant, "db", type="password", fieldMappings=MAPPED))

    assert tenant.data("db") == {"username": "app", "password": CANARY}
    assert audit.calls(since, tenant.namespace) == ["create secrets", STATUS]
    assert vault.asked(LISTS) == [200, 200]
    assert vault.asked(LOGIN) == [200]
    settles(tenant, "db", ready=True)
    assert tenant.get("vaultsecret", "db")["status"]["provider"] == "infisical"


def test_a_folder_with_its_imports_becomes_the_secret_and_is_followed(
    tenant: Tenant, vault: Infisical
) -> None:
    ready(tenant, fetched(tenant, "db", fieldsFrom=[{}]))
    assert tenant.data("db") == {"DB_USER": "app", "DB_PASSWORD": CANARY, "DUP": "own"}

    vault.put("/shared", DB_PASSWORD="changed")
    Syncs(tenant)()
    eventually(lambda: tenant.data("db")["DB_PASSWORD"] == "changed")
    becomes(tenant, "db", REALISED)
    assert tenant.get("vaultsecret", "db")["status"]["version"] == 2


def test_what_is_imported_is_judged_by_where_it_is_from(
    tenant: Tenant, vault: Infisical
) -> None:
    connect(tenant, vault, keys=["/app/**"])
    ready(tenant, fetched(tenant, "db", fieldsFrom=[{}]))

    assert tenant.data("db") == {"DB_USER": "app", "DUP": "own"}


def lose_name(vault: Infisical) -> None:
    vault.put("/app", DB_USER_RENAMED="app")


def lose_folder(vault: Infisical) -> None:
    del vault.folders["/app"]


def lose_membership(vault: Infisical) -> None:
    vault.identity.rules.clear()


def lose_right(vault: Infisical) -> None:
    vault.identity.rules["shop"] = [Rule(path="/shared/**")]


@pytest.mark.parametrize(
    ("lose", "reason"),
    [
        (lose_name, "FieldMissing"),
        (lose_folder, "PlaceMissing"),
        (lose_membership, "PlaceForbidden"),
        # Forbidden for this folder alone, it looks empty.
        (lose_right, "FieldMissing"),
    ],
)
def test_whatever_becomes_of_the_folder_the_secret_stays(
    tenant: Tenant, vault: Infisical, lose: Callable[[Infisical], None], reason: str
) -> None:
    mapped = [{"fieldName": "DB_USER", "reference": "DB_USER"}]
    ready(tenant, fetched(tenant, "db", fieldMappings=mapped))
    before = tenant.get("secret", "db")
    sync = Syncs(tenant)

    lose(vault)
    vault.tell()
    sync()
    becomes(tenant, "db", stale(reason))
    assert tenant.get("secret", "db") == before

    vault.identity.rules["shop"] = [Rule()]
    vault.put("/app", DB_USER="app")
    sync()
    becomes(tenant, "db", REALISED)
    assert tenant.get("secret", "db") == before
    assert connection_reason(tenant, "infisical") == "Verified"


def test_a_client_secret_that_is_refused_is_tried_once_and_mended_at_once(
    tenant: Tenant, vault: Infisical, operator: Operator
) -> None:
    ready(tenant, fetched(tenant, "db", fieldsFrom=[{}]))
    sync = Syncs(tenant)
    vault.identity.secret_revoked = True
    vault.tell()
    sync()
    eventually(lambda: connection_reason(tenant, "infisical") == "AuthenticationFailed")
    sync()
    becomes(tenant, "db", stale("AuthenticationFailed"))
    assert vault.asked(LOGIN) == [200, 401]
    assert tenant.data("db")["DB_PASSWORD"] == CANARY

    another = f"{SECRET}-another"
    vault.identity.secret_revoked = False
    vault.identity.client_secret = another
    vault.tell()
    patch(tenant, "secret", "client-secret", {"stringData": {"token": another}})
    eventually(lambda: connection_reason(tenant, "infisical") == "Verified")
    becomes(tenant, "db", REALISED)
    assert vault.asked(LOGIN) == [200, 401, 200]

    kinds = "vaultsecrets,vaultconnections,events"
    shown = [
        tenant.kubectl("get", kinds, "-o", "yaml"),
        Path(operator.log).read_text(),
        operator.get("/metrics"),
    ]
    assert [text for text in shown if CANARY in text or SECRET in text] == []
    assert "infisical" in shown[0]
