"""Values that come from 1Password Connect, which its vendor's SDK takes for the real.

The vault is a process beside the operator, reached over TLS with a certificate of its
own.
"""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.acts import ready
from tests.e2e.audit import AuditLog
from tests.e2e.operator import Operator
from tests.e2e.table import Row, becomes, needs_person
from tests.e2e.tenant import Tenant, eventually
from tests.e2e.vaults import (
    TOKEN,
    Connect,
    connect,
    connected,
    connection_to_connect,
    fetched,
    stale,
    sync,
    token_secret,
)
from tests.vaults.onepassword_items import Item, ItemField, ItemFile, Place, id_of

STATUS = "update vaultsecrets/status"
REALISED = Row(ready=("True", "Synced"), fresh=("True", "Synced"))
CANARY = "canary-in-connect-77aa"
SHOP, LOGIN = id_of("shop"), id_of("login")
SEED = "otpauth://totp/Example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
MAPPED = [
    {"fieldName": "username", "reference": "op://Web Shop/Login/Database/user"},
    {"fieldName": "password", "reference": f"op://{SHOP}/{LOGIN}/password"},
]
ALL = [
    {
        "path": "op://web shop/login",
        "exclude": ["large.txt*"],
        "rename": [{"from": "one-time code", "to": "otp-seed"}],
    }
]
WHOLE = {
    "password": CANARY,
    "Database.user": "app",
    "otp-seed": SEED,
    "ca.pem": "certificate",
}


def shop() -> Place:
    login = Item(
        id=LOGIN,
        title="Login",
        sections={"sect": "Database"},
        fields=[
            ItemField(label="password", value=CANARY),
            ItemField(label="user", value="app", section="sect"),
            ItemField(label="one-time code", value=SEED, type="OTP"),
            ItemField(label="empty"),
        ],
        files=[
            ItemFile(name="ca.pem", content=base64.b64encode(b"certificate")),
            ItemFile(name="large.txt", content=base64.b64encode(bytes(300_000))),
        ],
    )
    return Place(id=SHOP, name="Web Shop", items=[login])


@pytest.fixture
def vault(operator: Operator, tenant: Tenant) -> Iterator[Connect]:
    """A Connect, and a connection to it."""
    del operator
    with connect(shop()) as started:
        token_secret(tenant, name="connect-token")
        with connected(tenant, connection_to_connect(started)):
            yield started


def login(vault: Connect) -> Item:
    return vault.state.vaults[0].items[0]


def test_fields_of_an_item_become_the_secret_by_two_writes(
    tenant: Tenant, vault: Connect, audit: AuditLog
) -> None:
    since = audit.now()
    spec = {"type": "password", "fieldMappings": MAPPED}
    ready(tenant, fetched(tenant, "db", "connect", **spec))

    assert tenant.data("db") == {"username": "app", "password": CANARY}
    assert audit.calls(since, tenant.namespace) == ["create secrets", STATUS]
    assert vault.paths().count(f"/v1/vaults/{SHOP}/items/{LOGIN}") == 2
    assert tenant.get("vaultsecret", "db")["status"]["provider"] == (
        "onepassword-connect"
    )


def test_all_of_an_item_becomes_the_secret_and_a_change_arrives(
    tenant: Tenant, vault: Connect, audit: AuditLog
) -> None:
    ready(tenant, fetched(tenant, "db", "connect", fieldsFrom=ALL))
    assert tenant.data("db") == WHOLE

    vault.process.forget()
    since = audit.now()
    vault.state.vaults[0].put(LOGIN, "user", "changed")
    vault.put()
    sync(tenant, "db", "1")
    took = eventually(lambda: tenant.data("db")["Database.user"] == "changed")
    print(f"a change in the vault arrived {took:.1f} s after it was asked for")

    becomes(tenant, "db", REALISED)
    assert audit.calls(since, tenant.namespace).count("patch secrets") == 1
    assert tenant.data("db") == WHOLE | {"Database.user": "changed"}
    assert tenant.get("vaultsecret", "db")["status"]["version"] == 2
    item = f"/v1/vaults/{SHOP}/items/{LOGIN}"
    assert vault.paths() == [item, f"{item}/files/{id_of('ca.pem')}/content"]


def test_a_code_changes_the_secret_of_who_wants_codes_and_no_other(
    tenant: Tenant, vault: Connect
) -> None:
    reference = "op://Web Shop/Login/one-time code?attribute=otp"
    mapped = [{"fieldName": "code", "reference": reference}]
    ready(tenant, fetched(tenant, "code", "connect", fieldMappings=mapped))
    ready(tenant, fetched(tenant, "db", "connect", fieldsFrom=ALL))
    before = tenant.data("code")["code"]
    assert len(before) == len("000000")

    vault.process.set_clock(60)
    for name in ("code", "db"):
        sync(tenant, name, "1")
    eventually(lambda: tenant.data("code")["code"] != before)

    eventually(lambda: "lastHandledSync" in tenant.get("vaultsecret", "db")["status"])
    assert tenant.get("vaultsecret", "db")["status"]["version"] == 1


def deleted(vault: Connect) -> None:
    vault.state.vaults[0].items.clear()


def renamed(vault: Connect) -> None:
    login(vault).title = "Other"


def narrowed(vault: Connect) -> None:
    vault.state.tokens[TOKEN].vaults.clear()


def emptied(vault: Connect) -> None:
    login(vault).fields.clear()
    login(vault).version += 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (deleted, "PlaceMissing"),
        (renamed, "PlaceMissing"),
        (narrowed, "PlaceForbidden"),
        (emptied, "FieldMissing"),
    ],
)
def test_what_the_vault_lost_stays_in_the_secret(
    tenant: Tenant, vault: Connect, change: Callable[[Connect], None], reason: str
) -> None:
    mapped = [{"fieldName": "token", "reference": "op://Web Shop/Login/password"}]
    ready(tenant, fetched(tenant, "db", "connect", type="token", fieldMappings=mapped))
    before, kept = tenant.get("secret", "db"), vault.state.model_copy(deep=True)
    change(vault)
    vault.put()
    sync(tenant, "db", "1")
    becomes(tenant, "db", stale(reason))
    assert tenant.get("secret", "db") == before

    vault.process.put(kept)
    sync(tenant, "db", "2")
    becomes(tenant, "db", REALISED)
    assert tenant.get("secret", "db") == before


def test_what_may_be_read_is_judged_by_names_whatever_the_reference_says(
    tenant: Tenant, vault: Connect
) -> None:
    keys = ["web shop/login/database/*"]
    tenant.apply(connection_to_connect(vault, access={"keys": keys}))
    fields = {
        "by-name": "op://Web Shop/Login/Database/user",
        "by-id": f"op://{SHOP}/{LOGIN}/user",
        "other": f"op://{SHOP}/{LOGIN}/password",
        "other-name": "op://Web Shop/Other/password",
    }
    for name, reference in fields.items():
        mapped = [{"fieldName": "token", "reference": reference}]
        manifest = fetched(tenant, name, "connect", type="token", fieldMappings=mapped)
        tenant.apply(manifest)
    for name in ("by-name", "by-id"):
        becomes(tenant, name, REALISED)
        assert tenant.data(name) == {"token": "app"}
    for name in ("other", "other-name"):
        becomes(tenant, name, needs_person("FieldMissing"))


def test_neither_a_value_nor_a_token_is_shown(
    tenant: Tenant, vault: Connect, operator: Operator
) -> None:
    ready(tenant, fetched(tenant, "db", "connect", fieldsFrom=ALL))
    login(vault).fields.append(ItemField(label="password", value=CANARY, id="twin"))
    login(vault).version += 1
    vault.put()
    sync(tenant, "db", "1")
    becomes(tenant, "db", stale("KeyInvalid"))
    vault.state.tokens.clear()
    vault.put()
    sync(tenant, "db", "2")
    eventually(lambda: "AuthenticationFailed" in str(tenant.get("vfc", "connect")))

    kinds = "vaultsecrets,vaultconnections,events"
    shown = [
        tenant.kubectl("get", kinds, "-o", "yaml"),
        Path(operator.log).read_text(),
        operator.get("/metrics"),
    ]
    assert [text for text in shown if CANARY in text or TOKEN in text] == []
    assert "onepassword-connect" in shown[0]
