"""Who may use a connection, on a real API server: namespaces by name and by label."""

import secrets
from collections.abc import Iterator

import pytest

from tests.e2e.acts import ready
from tests.e2e.operator import Operator
from tests.e2e.table import Row, becomes, needs_person
from tests.e2e.tenant import Body, Tenant, eventually
from tests.e2e.vaults import (
    Doppler,
    connected,
    connection,
    doppler,
    fetched,
    stale,
    token_secret,
)

REALISED = Row(ready=("True", "Synced"), fresh=("True", "Synced"))
MAPPED = [{"fieldName": "token", "reference": "API_TOKEN"}]


@pytest.fixture
def vault(operator: Operator, tenant: Tenant) -> Iterator[Doppler]:
    """A Doppler, and a connection to it for namespaces with a label."""
    del operator
    team = f"t{secrets.token_hex(4)}"
    with doppler({"API_TOKEN": "value"}) as started:
        token_secret(tenant)
        access = {"namespaceSelector": {"matchLabels": {"team": team}}}
        with connected(tenant, connection(started, access=access)):
            yield started


@pytest.fixture
def guest(tenant: Tenant) -> Iterator[Tenant]:
    """Another namespace."""
    namespace = f"guest-{secrets.token_hex(4)}"
    tenant.plane.kubectl("create", "namespace", namespace)
    yield Tenant(tenant.plane, namespace, tenant.keyring)
    tenant.plane.kubectl("delete", "namespace", namespace, "--wait=false")


def using(tenant: Tenant, guest: Tenant, connection: str = "doppler") -> Body:
    """Return the manifest of a VaultSecret that uses the tenant's connection."""
    manifest = fetched(guest, "db", type="token", fieldMappings=MAPPED)
    way = {"name": connection, "namespace": tenant.namespace}
    manifest["spec"]["connectionRef"] = way
    return manifest


def label(guest: Tenant, label: str) -> None:
    guest.plane.kubectl("label", "namespace", guest.namespace, label)


def message(tenant: Tenant, guest: Tenant, name: str) -> str:
    """Return what is said of a connection to who may not use it, without its name."""
    guest.apply(using(tenant, guest, name))
    named = f"{tenant.namespace}/{name}"

    def said() -> str:
        condition = guest.condition("db", "Ready") or {}
        return str(condition.get("message", ""))

    eventually(lambda: named in said())
    return said().replace(named, "…")


def test_with_a_label_access_comes_and_goes(
    tenant: Tenant, guest: Tenant, vault: Doppler
) -> None:
    access = tenant.get("vaultconnection", "doppler")["spec"]["access"]
    team = access["namespaceSelector"]["matchLabels"]["team"]
    guest.apply(using(tenant, guest))
    becomes(guest, "db", needs_person("ConnectionMissing"))
    assert vault.downloads() == []

    label(guest, f"team={team}")
    becomes(guest, "db", REALISED)
    assert guest.data("db") == {"token": "value"}

    label(guest, "team-")
    becomes(guest, "db", stale("ConnectionMissing"))
    assert guest.data("db") == {"token": "value"}

    label(guest, f"team={team}")
    becomes(guest, "db", REALISED)


def test_a_connection_that_is_not_for_a_namespace_is_told_as_one_that_is_absent(
    tenant: Tenant, guest: Tenant, vault: Doppler
) -> None:
    said = [message(tenant, guest, name) for name in ("doppler", "absent")]

    assert said[0] == said[1]
    assert vault.downloads() == []


def test_without_a_selector_nobody_looks_at_labels(
    tenant: Tenant, guest: Tenant, vault: Doppler
) -> None:
    names = {"access": {"namespaces": [guest.namespace]}}
    tenant.apply(connection(vault, **names))
    ready(guest, using(tenant, guest))

    assert guest.data("db") == {"token": "value"}


REFUSED: list[tuple[Body, str]] = [
    ({"key": "a", "operator": "In"}, "has no values for In"),
    ({"key": "a", "operator": "Exists", "values": ["b"]}, "which take none"),
    ({"key": "a", "operator": "Gt", "values": ["1"]}, "Unsupported value"),
    ({"operator": "Exists"}, "Required value"),
]


def test_a_selector_that_kubernetes_would_not_take_is_refused(
    tenant: Tenant, vault: Doppler
) -> None:
    for requirement, refused in REFUSED:
        selector = {"namespaceSelector": {"matchExpressions": [requirement]}}
        assert refused in tenant.refusal(connection(vault, access=selector))
