"""A thousand VaultSecrets: what they cost, at rest and when the operator restarts."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.controlplane import ControlPlane
from tests.e2e.acts import fresh, ready_count, wait_for_no_leftovers
from tests.e2e.audit import AuditLog, Request
from tests.e2e.crowd import reported
from tests.e2e.operator import Operator
from tests.e2e.tenant import Body, Tenant, eventually
from vaultferry.core.keyring import Keyring

COUNT = 1000
REST_SECONDS = 60
_CHUNKS = 4
_WRITES = {"create", "update", "patch", "delete", "deletecollection"}


@pytest.fixture(scope="module")
def thousand(
    cluster: ControlPlane, keyring: Keyring, operator: Operator
) -> Iterator[Tenant]:
    """A thousand VaultSecrets, made while the operator is down, and all Ready."""
    wait_for_no_leftovers(cluster)
    with fresh(cluster, keyring) as tenant:
        with operator.stopped():
            began = time.monotonic()
            create(tenant, [f"db-{number}" for number in range(COUNT)])
            print(f"{COUNT} created in {time.monotonic() - began:.1f} s")
            began = time.monotonic()
        eventually(lambda: reported(operator) >= COUNT, seconds=120)
        took = time.monotonic() - began
        print(f"all Ready in {took:.1f} s, start included: {COUNT / took:.0f}/s")
        assert ready_count(tenant) == COUNT
        print(f"operator: {rss_mib(operator):.0f} MiB")
        yield tenant


def create(tenant: Tenant, names: list[str]) -> None:
    manifests = [
        tenant.manifest(name, tenant.seal(name, password=f"value of {name}"))
        for name in names
    ]
    chunks = [manifests[start::_CHUNKS] for start in range(_CHUNKS)]
    with ThreadPoolExecutor(_CHUNKS) as pool:
        list(pool.map(lambda chunk: create_list(tenant, chunk), chunks))


def create_list(tenant: Tenant, manifests: list[Body]) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
    tenant.kubectl("create", "--filename=-", stdin=json.dumps(listed))


def items(tenant: Tenant, kind: str) -> list[Body]:
    found: list[Body] = json.loads(tenant.kubectl("get", kind, "-o", "json"))["items"]
    return found


def looked_at(operator: Operator) -> float:
    """Return how many VaultSecrets the operator found to be as they should."""
    return operator.metric("reconciles_total", result="nothing")


def rss_mib(operator: Operator) -> float:
    lines = Path(f"/proc/{operator.pid}/status").read_text().splitlines()
    return next(int(li.split()[1]) for li in lines if li.startswith("VmRSS")) / 1024


def figures(requests: list[Request]) -> dict[str, int]:
    return dict(Counter(str(request) for request in requests))


def without_lease(requests: list[Request]) -> list[Request]:
    return [request for request in requests if request.resource != "leases"]


def test_a_first_sync_of_each_costs_one_create_and_one_status_write(
    thousand: Tenant, audit: AuditLog
) -> None:
    own = figures(audit.requests(0, namespace=thousand.namespace))

    print(f"calls for {COUNT} objects: {own}")
    assert own == {"create secrets": COUNT, "update vaultsecrets/status": COUNT}
    secrets = {s["metadata"]["name"]: s for s in items(thousand, "secrets")}
    assert len({s["data"]["password"] for s in secrets.values()}) == COUNT


def test_a_restart_writes_nothing_and_reads_only_the_public_keys(
    thousand: Tenant, audit: AuditLog, operator: Operator
) -> None:
    before = items(thousand, "vaultsecrets,secrets")
    since = audit.now()

    with operator.stopped():
        pass
    eventually(lambda: looked_at(operator) >= COUNT, seconds=120)
    audit.calls(since, thousand.namespace)
    requests = audit.requests(since)

    print(f"calls of a restart: {figures(requests)}")
    print(f"operator: {rss_mib(operator):.0f} MiB")
    others = without_lease(requests)
    named = [r for r in others if r.verb in _WRITES or r.name]
    assert figures(named) == {"get configmaps": 1}
    assert operator.metric("vaultsecrets") == COUNT
    assert items(thousand, "vaultsecrets,secrets") == before


@pytest.mark.usefixtures("thousand")
def test_at_rest_the_operator_makes_no_call_but_for_the_lease(
    audit: AuditLog, operator: Operator
) -> None:
    # The watches were opened by the restart before this test, for ten minutes each: one
    # that is opened again here would be seen.
    since = audit.now()

    time.sleep(REST_SECONDS)

    requests = audit.requests(since)
    print(f"calls in {REST_SECONDS} s at rest: {figures(requests)}")
    print(f"operator: {rss_mib(operator):.0f} MiB")
    assert without_lease(requests) == []
    assert len(requests) <= REST_SECONDS / 3


def test_kopf_has_left_nothing_on_any_object(thousand: Tenant) -> None:
    kinds = "vaultsecrets.vaultferry.dev,secrets,namespaces,events"
    listed = thousand.plane.kubectl(
        "get", kinds, "--all-namespaces", "--show-managed-fields", "-o", "json"
    )

    objects = json.loads(listed)["items"]
    assert len(objects) > 2 * COUNT
    assert "kopf" not in listed
    assert "zalando" not in listed
    ours = ("VaultSecret", "Secret", "Event")
    marked = [o for o in objects if o["kind"] in ours and "finalizers" in o["metadata"]]
    assert marked == []
