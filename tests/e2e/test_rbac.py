"""Every right of the operator is needed, and it has no other.

The control plane is one of its own, stricter than the others: it asks for a right
before an owner reference may block a deletion.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.controlplane import ControlPlane, start
from tests.e2e.acts import fresh, patch, token, wait_reason
from tests.e2e.audit import OPERATOR, AuditLog
from tests.e2e.operator import NAMESPACE, ROOT, Operator, install, running
from tests.e2e.tenant import Tenant, eventually
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Place

ROLE = ("clusterrole/vaultferry",)
OWN_ROLE = (f"--namespace={NAMESPACE}", "role/vaultferry")
COORDINATION = "coordination.k8s.io"
OURS = "vaultferry.dev"


class Right(NamedTuple):
    """One verb of the role."""

    group: str
    resource: str
    verb: str


class World(NamedTuple):
    """The strict control plane, and the operator in it."""

    plane: ControlPlane
    operator: Operator
    keyring: Keyring
    audit: AuditLog


@pytest.fixture(scope="module")
def world(
    control_plane: ControlPlane,
    keyring: Keyring,
    root_key: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    if control_plane.faults is None:
        pytest.skip("needs a control plane of its own")
    folder = tmp_path_factory.mktemp("strict")
    with start(["OwnerReferencesPermissionEnforcement"]) as plane:
        assert plane.audit_log is not None
        install(plane)
        with running(plane, folder, root_key) as operator:
            audit = AuditLog(plane.audit_log, plane)
            yield World(plane, operator, keyring, audit)


@pytest.fixture
def strict_tenant(world: World) -> Iterator[Tenant]:
    if world.operator.process is None:
        # The test before failed while it was stopped.
        world.operator.start()
    with fresh(world.plane, world.keyring) as tenant:
        yield tenant


Act = Callable[[World, Tenant], None]


def applied(world: World, tenant: Tenant) -> None:
    del world
    tenant.apply(tenant.manifest("new", tenant.seal("new", password="hunter2")))


def changed(world: World, tenant: Tenant) -> None:
    del world
    sealed = tenant.seal("db", password="correct horse")
    tenant.apply(tenant.manifest("db", sealed))


def edited_by_hand(world: World, tenant: Tenant) -> None:
    del world
    patch(tenant, "secret", "db", {"stringData": {"password": "by hand"}})


def deleted_by_hand(world: World, tenant: Tenant) -> None:
    del world
    tenant.kubectl("delete", "secret", "db")


def in_trouble(world: World, tenant: Tenant) -> None:
    del world
    moved = token(tenant, Place(tenant.namespace, "other", "password"), b"x")
    tenant.apply(tenant.manifest("new", {"password": moved}))


def restarted(world: World, tenant: Tenant) -> None:
    del tenant
    world.operator.stop()


@contextmanager
def another_operator(world: World) -> Iterator[None]:
    """Run one that need not become ready, in place of one that was stopped."""
    operator = world.operator
    process = subprocess.Popen(
        [sys.executable, "-m", "vaultferry", "run", "--port=0"],
        env={
            **os.environ,
            "KUBECONFIG": str(operator.kubeconfig),
            **operator.environ,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def selecting(world: World, tenant: Tenant) -> None:
    connected(world, tenant, namespaceSelector={"matchLabels": {"team": "shop"}})
    world.operator.stop()


def connected(world: World, tenant: Tenant, **access: object) -> None:
    del world
    section = {
        "project": "shop",
        "config": "prd",
        "tokenSecretRef": {"name": "absent"},
    }
    way = {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultConnection",
        "metadata": {"name": "doppler"},
        "spec": {"doppler": section, "access": access},
    }
    tenant.apply(way)


def kept(world: World, tenant: Tenant) -> None:
    """Have values kept in a store that nobody reaches."""
    del world
    keys = {"access_key_id": "AKIAMADEUP", "secret_access_key": "made-up"}
    secret = {"metadata": {"name": "keys"}, "type": "vaultferry.dev/token"}
    tenant.apply({"apiVersion": "v1", "kind": "Secret", **secret, "stringData": keys})
    section = {
        "region": "eu-west-1",
        "address": "https://127.0.0.1:9",
        "pathPrefix": "/kept",
        "store": True,
        "credentialsSecretRef": {"name": "keys"},
    }
    way = {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultConnection",
        "metadata": {"name": "store"},
        "spec": {"awsSsm": section},
    }
    tenant.apply(way)
    patch(tenant, "vaultsecret", "db", {"spec": {"storeRef": {"name": "store"}}})


def kept_after_a_restart(world: World, tenant: Tenant) -> None:
    kept(world, tenant)
    world.operator.stop()


def restarted_without_a_lease(world: World, tenant: Tenant) -> None:
    del tenant
    world.operator.stop()
    world.plane.kubectl("-n", NAMESPACE, "delete", "lease", "vaultferry")


def restarted_with_other_public_keys(world: World, tenant: Tenant) -> None:
    del tenant
    change = {"data": {"hpke-x25519": "somebody else's"}}
    tool = ("-n", NAMESPACE, "patch", "configmap", "vaultferry-public-keys")
    world.plane.kubectl(*tool, "--type=merge", f"--patch={json.dumps(change)}")
    world.operator.stop()


class Need(NamedTuple):
    """What takes a right, and what is refused without it."""

    act: Act
    refused: str


NEEDS = {
    Right(OURS, "vaultsecrets", "list"): Need(restarted, "list vaultsecrets 403"),
    Right(OURS, "vaultsecrets", "watch"): Need(restarted, "watch vaultsecrets 403"),
    Right(OURS, "vaultsecrets", "get"): Need(deleted_by_hand, "get vaultsecrets 403"),
    Right(OURS, "vaultsecrets", "patch"): Need(kept, "patch vaultsecrets 403"),
    Right(OURS, "vaultsecrets/status", "update"): Need(
        applied, "update vaultsecrets/status 403"
    ),
    Right(OURS, "vaultsecrets/finalizers", "update"): Need(
        applied, "create secrets 403"
    ),
    Right(OURS, "vaultconnections", "list"): Need(
        restarted, "list vaultconnections 403"
    ),
    Right(OURS, "vaultconnections", "watch"): Need(
        restarted, "watch vaultconnections 403"
    ),
    Right(OURS, "vaultconnections/status", "update"): Need(
        connected, "update vaultconnections/status 403"
    ),
    Right("", "namespaces", "list"): Need(selecting, "list namespaces 403"),
    Right("", "namespaces", "watch"): Need(selecting, "watch namespaces 403"),
    Right("", "secrets", "list"): Need(restarted, "list secrets 403"),
    Right("", "secrets", "watch"): Need(restarted, "watch secrets 403"),
    Right("", "secrets", "get"): Need(edited_by_hand, "get secrets 403"),
    Right("", "secrets", "create"): Need(applied, "create secrets 403"),
    Right("", "secrets", "patch"): Need(changed, "patch secrets 403"),
    Right("events.k8s.io", "events", "create"): Need(in_trouble, "create events 403"),
}

OWN_NEEDS = {
    Right(COORDINATION, "leases", "get"): Need(restarted, "get leases 403"),
    Right(COORDINATION, "leases", "update"): Need(restarted, "update leases 403"),
    Right(COORDINATION, "leases", "create"): Need(
        restarted_without_a_lease, "create leases 403"
    ),
    Right("", "configmaps", "patch"): Need(
        restarted_with_other_public_keys, "patch configmaps 403"
    ),
}
SYSTEM_NEEDS = {
    Right("", "namespaces", "get"): Need(kept_after_a_restart, "get namespaces 403"),
}
ALL_NEEDS = {**NEEDS, **OWN_NEEDS, **SYSTEM_NEEDS}


def rules(kind: str, name: str = "vaultferry") -> list[dict[str, list[str]]]:
    """Return the rules of a role as they are installed."""
    documents = yaml.safe_load_all((ROOT / "deploy/base/rbac.yaml").read_text())
    found: list[dict[str, list[str]]] = next(
        each["rules"]
        for each in documents
        if (each["kind"], each["metadata"]["name"]) == (kind, name)
    )
    return found


class Granted(NamedTuple):
    """A role of the operator."""

    role: tuple[str, ...]
    rules: list[dict[str, list[str]]]
    namespace: str
    """Where it holds, or where that is asked."""


def granting(right: Right) -> Granted:
    """Return the role that a right is in."""
    if right in SYSTEM_NEEDS:
        name, system = "vaultferry-installation", "kube-system"
        role = (f"--namespace={system}", f"role/{name}")
        return Granted(role, rules("Role", name), system)
    if right in OWN_NEEDS:
        return Granted(OWN_ROLE, rules("Role"), NAMESPACE)
    return Granted(ROLE, rules("ClusterRole"), NAMESPACE)


def rights(rules: list[dict[str, list[str]]]) -> set[Right]:
    return {
        Right(group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_every_right_of_the_role_is_in_this_table() -> None:
    assert rights(rules("ClusterRole")) == set(NEEDS)
    assert rights(rules("Role")) == set(OWN_NEEDS)
    assert rights(rules("Role", "vaultferry-installation")) == set(SYSTEM_NEEDS)


@pytest.mark.parametrize("right", ALL_NEEDS, ids=lambda r: f"{r.verb} {r.resource}")
def test_without_a_right_something_is_refused_and_with_it_all_is_well_again(
    right: Right, world: World, strict_tenant: Tenant
) -> None:
    tenant, need = strict_tenant, ALL_NEEDS[right]
    tenant.synced("db", password="hunter2")

    with lacking(world.plane, right):
        since = world.audit.now()
        need.act(world, tenant)
        stopped = world.operator.process is None
        with another_operator(world) if stopped else nullcontext():
            eventually(lambda: need.refused in map(str, world.audit.requests(since)))

    if world.operator.process is None:
        world.operator.start()
    if need.act is not in_trouble:
        eventually(lambda: all_ready(tenant), seconds=20)


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_without_a_right_on_connections_all_that_needs_none_works(
    verb: str, world: World, strict_tenant: Tenant
) -> None:
    strict_tenant.synced("db", password="hunter2")
    world.operator.stop()
    with lacking(world.plane, Right(OURS, "vaultconnections", verb)):
        world.operator.start(ready=False)
        for number in range(4):
            strict_tenant.synced(f"new-{number}", password="hunter2")
            time.sleep(4)
        assert world.operator.is_ready()


def all_ready(tenant: Tenant) -> bool:
    listed = json.loads(tenant.kubectl("get", "vaultsecrets", "-o", "json"))["items"]
    names = [each["metadata"]["name"] for each in listed]
    states = [tenant.reason(name) for name in names]
    there = [tenant.exists("secret", name) for name in names]
    return states == ["Synced"] * len(names) and all(there)


def test_where_owner_references_are_guarded_a_change_of_policy_waits_for_a_right(
    world: World, strict_tenant: Tenant
) -> None:
    sealed = strict_tenant.seal("db", password="hunter2")
    strict_tenant.apply(strict_tenant.manifest("db", sealed))
    strict_tenant.wait_ready("db")

    target = {"creationPolicy": "Orphan"}
    strict_tenant.apply(strict_tenant.manifest("db", sealed, target=target))
    wait_reason(strict_tenant, "db", "ApiForbidden")
    with having(world.plane, Right("", "secrets", "delete")):
        strict_tenant.wait_ready("db")

    assert "ownerReferences" not in strict_tenant.get("secret", "db")["metadata"]


def test_the_account_has_exactly_the_rights_of_the_role(
    world: World, tmp_path: Path
) -> None:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": "default"},
    }
    path = tmp_path / "review.json"
    path.write_text(json.dumps(review))

    options = ("--validate=false", f"--filename={path}", "--output=json")
    said = as_operator(world, "create", *options)

    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)["status"]["resourceRules"]
    # What every account has: to ask who it is and what it may do.
    own = {"authorization.k8s.io", "authentication.k8s.io"}
    assert rights([r for r in found if not own & set(r["apiGroups"])]) == set(NEEDS)


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"suspend": True}},
        {"metadata": {"annotations": {"a": "b"}}},
        {"metadata": {"labels": {"a": "b"}}},
        {"metadata": {"ownerReferences": None, "finalizers": ["example.com/a"]}},
    ],
    ids=["spec", "annotations", "labels", "finalizers"],
)
def test_of_a_vaultsecret_the_account_changes_its_own_finalizer_and_nothing_else(
    change: dict[str, Any], world: World, strict_tenant: Tenant
) -> None:
    strict_tenant.synced("db", password="hunter2")
    tool = ("patch", "vaultsecret", "db", "--type=merge")

    def patched(change: object) -> subprocess.CompletedProcess[str]:
        text = f"--patch={json.dumps(change)}"
        return as_operator(world, *tool, text, namespace=strict_tenant.namespace)

    # The API server hears of the policy a little later.
    eventually(lambda: "orbidden" in patched(change).stderr)
    own = patched({"metadata": {"finalizers": ["vaultferry.dev/stored"]}})
    assert own.returncode == 0, own.stderr
    none = patched({"metadata": {"finalizers": []}})
    assert none.returncode == 0, none.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("delete", "secret", "db"),
        ("delete", "secrets", "--all"),
        ("delete", "vaultsecret", "db"),
        ("get", "configmaps"),
        ("get", "pods"),
        ("get", "namespace", "default"),
        ("create", "configmap", "x"),
        ("-n", NAMESPACE, "create", "configmap", "x"),
        ("-n", NAMESPACE, "get", "configmaps"),
        ("-n", NAMESPACE, "delete", "configmap", "vaultferry-public-keys"),
        ("create", "serviceaccount", "x"),
        ("create", "token", "default"),
    ],
    ids=" ".join,
)
def test_the_account_can_do_nothing_beyond(
    arguments: tuple[str, ...], world: World, strict_tenant: Tenant
) -> None:
    strict_tenant.synced("db", password="hunter2")

    done = as_operator(world, *arguments, namespace=strict_tenant.namespace)

    assert done.returncode != 0
    assert "orbidden" in done.stderr


def as_operator(
    world: World, *arguments: str, namespace: str = "default"
) -> subprocess.CompletedProcess[str]:
    """Run kubectl with the operator's own account."""
    return subprocess.run(
        ["kubectl", f"--namespace={namespace}", *arguments],
        env=world.plane.env(world.operator.kubeconfig),
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def lacking(plane: ControlPlane, right: Right) -> Iterator[None]:
    """Take a right away from the operator meanwhile."""
    role, before, _ = granting(right)
    less = [
        rule | {"verbs": [verb for verb in rule["verbs"] if verb != right.verb]}
        if right.resource in rule["resources"]
        else rule
        for rule in before
    ]
    try:
        write(plane, role, less)
        eventually(lambda: not is_allowed(plane, right))
        yield
    finally:
        write(plane, role, before)
        eventually(lambda: is_allowed(plane, right))


@contextmanager
def having(plane: ControlPlane, right: Right) -> Iterator[None]:
    """Give the operator one more right meanwhile."""
    more = {"apiGroups": [right.group], "resources": [right.resource]}
    try:
        write(plane, ROLE, [*rules("ClusterRole"), more | {"verbs": [right.verb]}])
        yield
    finally:
        write(plane, ROLE, rules("ClusterRole"))
        eventually(lambda: not is_allowed(plane, right))


def write(
    plane: ControlPlane, role: tuple[str, ...], rules: list[dict[str, list[str]]]
) -> None:
    text = json.dumps({"rules": [rule for rule in rules if rule["verbs"]]})
    plane.kubectl("patch", *role, "--type=merge", f"--patch={text}")


def is_allowed(plane: ControlPlane, right: Right) -> bool:
    """Ask the API server's authorizer, which hears of changes a little later."""
    resource, _, subresource = right.resource.partition("/")
    names = {"configmaps": "vaultferry-public-keys", "namespaces": "kube-system"}
    asked: dict[str, Any] = {
        "namespace": granting(right).namespace,
        "name": names.get(resource, "vaultferry"),
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "verb": right.verb,
    }
    review = plane.create(
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": OPERATOR, "resourceAttributes": asked},
        }
    )
    allowed: bool = review["status"]["allowed"]
    return allowed
