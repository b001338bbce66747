"""Values that a Parameter Store keeps besides the Secret, on a real API server."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.acts import fresh, patch_spec, ready
from tests.e2e.audit import AuditLog
from tests.e2e.operator import NAMESPACE, Operator
from tests.e2e.parameters import (
    KEYS,
    REGION,
    Store,
    connection,
    fetched,
    keys_secret,
    mapped,
    parameter_store,
)
from tests.e2e.table import becomes, needs_person
from tests.e2e.tenant import Body, Tenant, eventually
from tests.e2e.vaults import connected
from tests.vaults.ssm import refused
from vaultferry.core.keyring import Keyring

long = pytest.mark.skipif(
    "CAMPAIGN" not in os.environ, reason="takes a while: make campaign"
)

CANARY = "canary-that-two-may-hold-5ce1"
FINALIZER = "vaultferry.dev/stored"


@pytest.fixture(scope="module")
def started() -> Iterator[Store]:
    with parameter_store() as store:
        yield store


@pytest.fixture
def store(operator: Operator, tenant: Tenant, started: Store) -> Iterator[Store]:
    """A store below a path of this tenant, and a connection to it."""
    del operator
    started.process.do()
    tenant.apply(keys_secret())
    with connected(tenant, connection(started, prefix(tenant), store=True)):
        started.process.forget()
        yield started
        started.process.do()
        started.process.set_latency(0)
        everything = ("vaultsecrets.vaultferry.dev", "--all", "--timeout=60s")
        tenant.kubectl("delete", *everything)


def prefix(tenant: Tenant) -> str:
    return f"/{tenant.namespace}-store"


def path(tenant: Tenant, name: str = "db") -> str:
    return f"{prefix(tenant)}/{tenant.namespace}/{name}"


def installation(tenant: Tenant) -> str:
    uid: str = tenant.get("namespace", "kube-system")["metadata"]["uid"]
    return uid


def tags(tenant: Tenant, **other: str) -> dict[str, str]:
    known = {"installation": installation(tenant), "namespace": tenant.namespace}
    return {
        f"vaultferry.dev/{k}": v for k, v in (known | {"name": "db"} | other).items()
    }


def kept(tenant: Tenant, name: str = "db", /, **values: str) -> Body:
    """Return the manifest of a VaultSecret whose values the store keeps as well."""
    sealed = tenant.seal(name, **values)
    return tenant.manifest(name, sealed, storeRef={"name": "aws"})


def stored(tenant: Tenant, name: str = "db") -> str | None:
    """Return what the condition says of the present generation."""
    body = tenant.get("vaultsecret", name)
    said = tenant.condition(name, "Stored")
    if said is None or said["observedGeneration"] != body["metadata"]["generation"]:
        return None
    reason: str = said["reason"]
    return reason


def is_stored(tenant: Tenant, manifest: Body) -> None:
    """Apply a VaultSecret, and wait until its values are in the store."""
    ready(tenant, manifest)
    eventually(lambda: stored(tenant, manifest["metadata"]["name"]) == "Stored")


def values(store: Store, where: str) -> dict[str, str]:
    return {name: each["Value"] for name, each in store.all(where).items()}


def versions(store: Store, where: str) -> dict[str, int]:
    return {name: each["Version"] for name, each in store.all(where).items()}


def tags_of(store: Store, name: str) -> dict[str, str]:
    asked = {"ResourceType": "Parameter", "ResourceId": name}
    found = store.ask("list_tags_for_resource", **asked)["TagList"]
    return {each["Key"]: each["Value"] for each in found}


def put(store: Store, name: str, labels: dict[str, str], value: str = "x") -> Any:
    """Put a parameter as somebody else does; return all that is to be seen of it."""
    listed = [{"Key": key, "Value": text} for key, text in labels.items()]
    given = {"Name": name, "Value": value, "Type": "SecureString"}
    store.ask("put_parameter", **given, Tags=listed)
    return seen(store, name)


def seen(store: Store, name: str) -> Any:
    [found] = store.ask("get_parameters", Names=[name], WithDecryption=True)[
        "Parameters"
    ]
    return found, tags_of(store, name)


def gone(tenant: Tenant, name: str = "db") -> None:
    """Delete a VaultSecret, and wait until it is gone."""
    tenant.kubectl("delete", "vaultsecret", name, "--timeout=60s")


def finalizers(tenant: Tenant, name: str = "db") -> list[str]:
    found: list[str] = tenant.get("vaultsecret", name)["metadata"].get("finalizers", [])
    return found


def test_values_are_kept_as_secure_strings_with_our_tags_and_rest_is_no_call(
    tenant: Tenant, store: Store, operator: Operator, audit: AuditLog
) -> None:
    is_stored(tenant, kept(tenant, username="app", password=CANARY))

    found = store.all(path(tenant))
    assert {each["Type"] for each in found.values()} == {"SecureString"}
    assert values(store, path(tenant)) == {"username": "app", "password": CANARY}
    for name in found:
        assert tags_of(store, f"{path(tenant)}/{name}") == tags(tenant)
    status = tenant.get("vaultsecret", "db")["status"]
    assert status["stored"]["path"] == path(tenant)
    assert status["stored"]["fields"] == ["password", "username"]
    assert finalizers(tenant) == [FINALIZER]

    store.process.forget()
    since = audit.now()
    patch_spec(tenant, "db", displayName="Orders")
    eventually(lambda: stored(tenant) == "Stored")
    operator.stop()
    operator.start()
    eventually(lambda: tenant.reason("db") == "Synced")
    audit.calls(since, tenant.namespace)
    asked = audit.requests(since, namespace=tenant.namespace)
    # Its token is read once by each process.
    assert {str(r) for r in asked if r.name != "aws-reader"} == {
        "update vaultsecrets/status"
    }
    assert store.calls() == []


def test_a_change_and_a_field_taken_out_arrive_and_a_deletion_takes_all_away(
    tenant: Tenant, store: Store
) -> None:
    is_stored(tenant, kept(tenant, a="1", b="2", c="3"))
    is_stored(tenant, kept(tenant, a="1", b="changed", d="4"))
    assert values(store, path(tenant)) == {"a": "1", "b": "changed", "d": "4"}
    assert versions(store, path(tenant)) == {"a": 1, "b": 2, "d": 1}

    gone(tenant)
    assert values(store, path(tenant)) == {}
    eventually(lambda: not tenant.exists("secret", "db"))


def test_taking_storeref_out_takes_all_away_and_the_finalizer_too(
    tenant: Tenant, store: Store
) -> None:
    is_stored(tenant, kept(tenant, a="1"))
    patch_spec(tenant, "db", storeRef=None)

    eventually(lambda: finalizers(tenant) == [])
    assert values(store, path(tenant)) == {}
    assert "stored" not in tenant.get("vaultsecret", "db")["status"]
    assert tenant.condition("db", "Stored") is None
    assert tenant.data("db") == {"a": "1"}


def test_a_place_is_cleaned_before_another_one_is_used(
    tenant: Tenant, store: Store
) -> None:
    other = connection(store, f"{prefix(tenant)}/other", store=True)
    other["metadata"]["name"] = "other"
    tenant.apply(other)
    is_stored(tenant, kept(tenant, a="1"))
    store.process.forget()
    patch_spec(tenant, "db", storeRef={"name": "other"})
    where = f"{prefix(tenant)}/other/{tenant.namespace}/db"
    eventually(lambda: values(store, where) == {"a": "1"})
    eventually(lambda: stored(tenant) == "Stored")
    wrote = [c for c in store.calls() if c in {"DeleteParameters", "PutParameter"}]
    assert wrote == ["DeleteParameters", "PutParameter"]
    assert values(store, path(tenant)) == {}

    tenant.apply(connection(store, f"{prefix(tenant)}/third", store=True))
    patch_spec(tenant, "db", storeRef={"name": "aws"})
    third = f"{prefix(tenant)}/third/{tenant.namespace}/db"
    eventually(lambda: values(store, third) == {"a": "1"})
    tenant.apply(connection(store, f"{prefix(tenant)}/fourth", store=True))
    fourth = f"{prefix(tenant)}/fourth/{tenant.namespace}/db"
    eventually(lambda: values(store, fourth) == {"a": "1"})
    assert values(store, third) == values(store, where) == {}


def test_what_is_not_ours_is_named_and_never_read_or_touched(
    tenant: Tenant, store: Store
) -> None:
    foreign = {
        "plain": {},
        "cluster": tags(tenant, installation="another-cluster"),
        "tenant": tags(tenant, namespace="another-tenant"),
        "named": tags(tenant, name="another-name"),
    }
    before = {
        field: put(store, f"{path(tenant)}/{field}", labels)
        for field, labels in foreign.items()
    }
    theirs = f"{prefix(tenant)}/another-tenant/db/plain"
    elsewhere = put(store, theirs, tags(tenant, namespace="another-tenant"))
    store.process.forget()

    ready(tenant, kept(tenant, own="1", **dict.fromkeys(foreign, "ours")))
    eventually(lambda: stored(tenant) == "Conflict")

    said = tenant.condition("db", "Stored")
    assert said
    assert said["status"] == "False"
    assert all(f"{path(tenant)}/{field}" in said["message"] for field in foreign)
    assert set(store.calls()) == {"ListTagsForResource"}
    is_stored(tenant, kept(tenant, own="1"))
    gone(tenant)
    after = {field: seen(store, f"{path(tenant)}/{field}") for field in foreign}
    assert (after, seen(store, theirs)) == (before, elsewhere)


def test_what_is_too_large_is_refused_before_any_call(
    tenant: Tenant, store: Store
) -> None:
    ready(tenant, kept(tenant, big="é" * 2049, small="1"))
    eventually(lambda: stored(tenant) == "NotStorable")

    said = tenant.condition("db", "Stored")
    assert said
    assert "field big has 4098 bytes" in said["message"]
    assert "take out spec.storeRef" in said["message"]
    assert store.calls() == []
    assert tenant.reason("db") == "Synced"
    is_stored(tenant, kept(tenant, big="é" * 2048, small="1"))


def test_where_the_connection_is_gone_the_finalizer_lets_go_and_an_event_says_so(
    tenant: Tenant, store: Store
) -> None:
    is_stored(tenant, kept(tenant, a="1"))
    tenant.kubectl("delete", "vaultconnection", "aws")
    eventually(lambda: stored(tenant) == "ConnectionMissing")
    gone(tenant)

    eventually(lambda: left(tenant) != [])
    [note] = left(tenant)
    assert path(tenant) in note
    assert "ConnectionMissing" in note
    assert values(store, path(tenant)) == {"a": "1"}


def left(tenant: Tenant) -> list[str]:
    listed = json.loads(tenant.kubectl("get", "events.events.k8s.io", "-o", "json"))
    return [e["note"] for e in listed["items"] if e["reason"] == "LeftInStore"]


@long
def test_a_namespace_goes_with_all_that_is_in_it(
    operator: Operator, tenant: Tenant, keyring: Keyring, started: Store
) -> None:
    del operator
    with fresh(tenant.plane, keyring) as other:
        other.apply(keys_secret())
        other.apply(connection(started, prefix(other), store=True))
        is_stored(other, kept(other, a="1"))
        other.plane.kubectl("delete", "namespace", other.namespace, "--timeout=60s")


def test_killed_while_it_stores_and_takes_away_it_comes_to_the_same_end(
    tenant: Tenant, store: Store, operator: Operator
) -> None:
    # By another connection, so that both happen at a time.
    other = connection(store, f"{prefix(tenant)}/other", store=True)
    other["metadata"]["name"] = "other"
    tenant.apply(other)
    is_stored(tenant, kept(tenant, "gone", a="1", b="2", c="3", d="4", e="5"))
    changing = kept(tenant, a="1", b="2", c="3")
    changing["spec"]["storeRef"] = {"name": "other"}
    is_stored(tenant, changing)
    where = f"{prefix(tenant)}/other/{tenant.namespace}/db"

    store.process.forget()
    store.process.set_latency(0.6)
    sealed = tenant.seal("db", a="changed", d="4", e="5")
    patch_spec(tenant, "db", sealed={"b": None, "c": None, **sealed})
    tenant.kubectl("delete", "vaultsecret", "gone", "--wait=false")
    eventually(lambda: {"PutParameter", "DeleteParameters"} <= {*store.calls()})
    os.kill(operator.pid, signal.SIGKILL)
    assert operator.process is not None
    operator.process.wait()
    store.process.set_latency(0)
    # Waiting until it expires is tested elsewhere.
    tenant.plane.kubectl("-n", NAMESPACE, "delete", "lease", "vaultferry")
    operator.start()

    eventually(lambda: stored(tenant) == "Stored")
    assert values(store, where) == {"a": "changed", "d": "4", "e": "5"}
    eventually(lambda: not tenant.exists("vaultsecret", "gone"))
    assert values(store, path(tenant, "gone")) == {}


def test_purged_a_vaultsecret_goes_and_what_is_left_in_the_store_is_listed(
    tenant: Tenant, store: Store
) -> None:
    is_stored(tenant, kept(tenant, a="1"))
    listed, code = uninstall(tenant)
    assert (f"{path(tenant)} with a" in listed, code) == (True, 1)

    store.process.do(refused("AccessDeniedException"))
    tenant.kubectl("delete", "vaultsecret", "db", "--wait=false")
    assert tenant.exists("vaultsecret", "db")
    listed, code = uninstall(tenant, "--purge")
    assert (f"{path(tenant)} with a" in listed, code) == (True, 0)
    assert not tenant.exists("vaultsecret", "db")
    store.process.do()
    assert values(store, path(tenant)) == {"a": "1"}


def uninstall(tenant: Tenant, *options: str) -> tuple[str, int]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "vaultferry", "uninstall"),
            *("--namespace", tenant.namespace, *options),
        ],
        env={**os.environ, "KUBECONFIG": str(tenant.plane.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout, done.returncode


def test_of_a_store_a_tenant_reads_what_is_kept_for_its_namespace_only(
    tenant: Tenant, store: Store
) -> None:
    is_stored(tenant, kept(tenant, a="1"))
    put(store, f"{prefix(tenant)}/another/db/a", {}, CANARY)
    reference = f"{tenant.namespace}/db/a"
    own = {"fieldName": "a", "reference": reference}
    ready(tenant, fetched(tenant, "own", fieldMappings=[own]))
    assert tenant.data("own") == {"a": "1"}
    store.process.forget()

    other = mapped("another/db/a")
    tenant.apply(fetched(tenant, "other", fieldMappings=other))
    becomes(tenant, "other", needs_person("FieldMissing"))
    for where in ("", "another", "another/db"):
        tenant.apply(fetched(tenant, "all", fieldsFrom=[{"path": where}]))
        becomes(tenant, "all", needs_person("FieldMissing"))
    assert store.calls() == []


def test_a_store_that_refuses_is_told_and_the_secret_does_not_wait(
    tenant: Tenant, store: Store
) -> None:
    store.process.do(refused("AccessDeniedException", "PutParameter"))
    ready(tenant, kept(tenant, a=CANARY))
    eventually(lambda: stored(tenant) == "StoreRefused")
    assert tenant.data("db") == {"a": CANARY}
    store.process.do()
    eventually(lambda: stored(tenant) == "Stored")


def test_neither_a_value_nor_a_key_is_shown(
    tenant: Tenant, store: Store, operator: Operator
) -> None:
    is_stored(tenant, kept(tenant, a=CANARY))
    put(store, f"{path(tenant)}/b", {}, CANARY)
    tenant.apply(kept(tenant, a=CANARY, b=CANARY))
    eventually(lambda: stored(tenant) == "Conflict")

    kinds = "vaultsecrets,vaultconnections,events"
    shown = [
        tenant.kubectl("get", kinds, "-o", "yaml"),
        Path(operator.log).read_text(),
        operator.get("/metrics"),
    ]
    assert [t for t in shown if CANARY in t or KEYS["secret_access_key"] in t] == []
    assert REGION in shown[0]
