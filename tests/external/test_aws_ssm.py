"""Values from a Parameter Store that the vendor's own client takes for the real one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.acts import patch, ready
from tests.e2e.audit import AuditLog
from tests.e2e.operator import Operator
from tests.e2e.parameters import (
    KEYS,
    Store,
    connection,
    fetched,
    keys_secret,
    mapped,
    parameter_store,
)
from tests.e2e.table import Row, becomes, needs_person
from tests.e2e.tenant import Tenant, eventually
from tests.e2e.vaults import connected, connection_reason, stale
from tests.vaults.ssm import refused

REALISED = Row(ready=("True", "Synced"), fresh=("True", "Synced"))
CANARY = "canary-in-the-store-91d2"


@pytest.fixture(scope="module")
def started() -> Iterator[Store]:
    with parameter_store() as store:
        yield store


@pytest.fixture
def store(operator: Operator, tenant: Tenant, started: Store) -> Iterator[Store]:
    """A store with two parameters of this tenant, and a connection to them."""
    del operator
    started.process.do()
    prefix = f"/{tenant.namespace}"
    tenant.apply(keys_secret())
    started.put({f"{prefix}/db/username": "app", f"{prefix}/db/password": CANARY})
    with connected(tenant, connection(started, prefix)):
        started.process.forget()
        yield started


def sync(tenant: Tenant, word: str, *names: str) -> None:
    """Ask for newer values now."""
    annotation = f"vaultferry.dev/force-sync={word}"
    tenant.kubectl("annotate", "--overwrite", "vaultsecret", *names, annotation)


def test_parameters_become_the_secret_by_one_call_and_two_writes(
    tenant: Tenant, store: Store, audit: AuditLog
) -> None:
    since = audit.now()
    fields = mapped("db/username", f"/{tenant.namespace}/db/password")
    ready(tenant, fetched(tenant, "db", type="password", fieldMappings=fields))

    assert tenant.data("db") == {"username": "app", "password": CANARY}
    wrote = audit.calls(since, tenant.namespace)
    assert wrote == ["create secrets", "update vaultsecrets/status"]
    assert store.calls() == ["GetParameters"]
    becomes(tenant, "db", REALISED)


def test_all_below_a_path_becomes_the_secret_where_its_names_are_keys(
    tenant: Tenant, store: Store
) -> None:
    tenant.apply(fetched(tenant, "all", fieldsFrom=[{}]))
    becomes(tenant, "all", needs_person("KeyInvalid"))
    rename = [{"from": "db/*", "to": "db.*"}]
    ready(tenant, fetched(tenant, "all", fieldsFrom=[{"rename": rename}]))
    ready(tenant, fetched(tenant, "some", fieldsFrom=[{"path": "db"}]))

    assert tenant.data("all") == {"db.username": "app", "db.password": CANARY}
    assert tenant.data("some") == {"username": "app", "password": CANARY}
    assert set(store.calls()) == {"GetParametersByPath"}


def test_a_change_arrives_and_what_was_deleted_or_forbidden_stays(
    tenant: Tenant, store: Store
) -> None:
    name = f"/{tenant.namespace}/db/password"
    ready(tenant, fetched(tenant, "db", fieldMappings=mapped("db/password")))
    store.put({name: "changed"})
    sync(tenant, "1", "db")
    eventually(lambda: tenant.data("db") == {"password": "changed"})
    before = tenant.get("secret", "db")

    store.delete(name)
    sync(tenant, "2", "db")
    becomes(tenant, "db", stale("FieldMissing"))
    store.put({name: "changed"})
    sync(tenant, "3", "db")
    becomes(tenant, "db", REALISED)
    store.process.do(refused("AccessDeniedException", "GetParameters"))
    sync(tenant, "4", "db")
    becomes(tenant, "db", stale("PlaceForbidden"))
    assert connection_reason(tenant, "aws") == "Verified"
    assert tenant.get("secret", "db") == before

    store.process.do()
    sync(tenant, "5", "db")
    becomes(tenant, "db", REALISED)
    assert tenant.get("secret", "db") == before


def test_a_field_of_one_version_stays_beside_one_that_follows(
    tenant: Tenant, store: Store
) -> None:
    name = f"/{tenant.namespace}/db/rotated"
    store.put({name: "first"})
    store.put({name: "second"})
    mapping = {"reference": "db/rotated"}
    fields = [
        {"fieldName": "now", **mapping},
        {"fieldName": "before", **mapping, "version": 1},
    ]
    ready(tenant, fetched(tenant, "db", fieldMappings=fields))
    assert tenant.data("db") == {"now": "second", "before": "first"}

    store.put({name: "third"})
    sync(tenant, "1", "db")
    eventually(lambda: tenant.data("db") == {"now": "third", "before": "first"})


def test_two_hundred_parameters_cost_twenty_calls_at_first_and_each_time(
    tenant: Tenant, store: Store
) -> None:
    groups = [[f"p{group}-{number}" for number in range(50)] for group in range(4)]
    values = {f"/{tenant.namespace}/{each}": "x" for group in groups for each in group}
    store.put(values)
    names = [f"many-{number}" for number in range(4)]
    for name, group in zip(names, groups, strict=True):
        tenant.apply(fetched(tenant, name, fieldMappings=mapped(*group)))
    for name in names:
        becomes(tenant, name, REALISED)
    assert store.calls() == ["GetParameters"] * 20

    # The last of each group is another one now.
    store.put({f"/{tenant.namespace}/{group[-1]}": "y" for group in groups})
    sync(tenant, "1", *names)
    wanted = [dict.fromkeys(group, "x") | {group[-1]: "y"} for group in groups]
    eventually(lambda: [tenant.data(name) for name in names] == wanted)
    assert store.calls() == ["GetParameters"] * 20


def test_keys_that_are_refused_or_lack_are_said_at_the_connection(
    tenant: Tenant, store: Store
) -> None:
    ready(tenant, fetched(tenant, "db", fieldMappings=mapped("db/password")))
    store.process.do(refused("UnrecognizedClientException"))
    sync(tenant, "1", "db")
    eventually(lambda: connection_reason(tenant, "aws") == "AuthenticationFailed")

    patch(tenant, "secret", "aws-reader", {"data": {"secret_access_key": None}})
    eventually(lambda: connection_reason(tenant, "aws") == "ConnectionNotReady")
    [said] = tenant.get("vaultconnection", "aws")["status"]["conditions"]
    assert said["message"] == "Secret aws-reader has no key secret_access_key"
    assert tenant.data("db") == {"password": CANARY}

    store.process.do()
    tenant.apply(keys_secret(**KEYS, session_token="canary-of-a-role"))
    eventually(lambda: connection_reason(tenant, "aws") == "Verified")
    sync(tenant, "2", "db")
    becomes(tenant, "db", REALISED)


def test_neither_a_value_nor_a_key_is_shown(
    tenant: Tenant, store: Store, operator: Operator
) -> None:
    ready(tenant, fetched(tenant, "db", fieldMappings=mapped("db/password")))
    store.delete(f"/{tenant.namespace}/db/password")
    sync(tenant, "1", "db")
    becomes(tenant, "db", stale("FieldMissing"))

    kinds = "vaultsecrets,vaultconnections,events"
    shown = [
        tenant.kubectl("get", kinds, "-o", "yaml"),
        Path(operator.log).read_text(),
        operator.get("/metrics"),
    ]
    assert [t for t in shown if CANARY in t or KEYS["secret_access_key"] in t] == []
    assert "aws-reader" in shown[0]
