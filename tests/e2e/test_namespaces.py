"""The operator for some namespaces, with no right beyond them."""

import subprocess
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import yaml

from tests.controlplane import ControlPlane, start
from tests.e2e.acts import wait_for_no_leftovers
from tests.e2e.audit import AuditLog
from tests.e2e.operator import NAMESPACE, ROOT, Operator, running
from tests.e2e.tenant import Tenant, eventually
from vaultferry.core.keyring import Keyring

SERVED, LATE, THIRD = ("shop", "backup"), "late", "third"
NAMED = [f"--namespace={each}" for each in (*SERVED, LATE)]
REST_SECONDS = 20


class World(NamedTuple):
    """A cluster of which the operator may see a part."""

    plane: ControlPlane
    operator: Operator
    audit: AuditLog
    keyring: Keyring

    def tenant(self, namespace: str) -> Tenant:
        return Tenant(self.plane, namespace, self.keyring)


def admit(plane: ControlPlane, namespace: str) -> None:
    """Give the operator its rights in a namespace."""
    rights = str(ROOT / "deploy" / "namespaced" / "rights.yaml")
    plane.kubectl("--namespace", namespace, "apply", "-f", rights)


def install(plane: ControlPlane) -> None:
    """Install what deploy/namespaced has, the workload excepted."""
    built = plane.kubectl("kustomize", str(ROOT / "deploy" / "namespaced"))
    kinds = {"Namespace", "ServiceAccount", "Role", "RoleBinding", "ConfigMap"}
    bodies = [b for b in yaml.safe_load_all(built) if b["kind"] in kinds]
    plane.kubectl("apply", "-f", str(ROOT / "crds"))
    plane.wait_established("crd/vaultsecrets.vaultferry.dev")
    plane.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(bodies))
    for namespace in (*SERVED, THIRD):
        plane.kubectl("create", "namespace", namespace)
    for namespace in SERVED:
        admit(plane, namespace)
    plane.notice_new_kinds()


@pytest.fixture(scope="module")
def world(
    own_cluster: None,
    keyring: Keyring,
    root_key: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    del own_cluster
    folder = tmp_path_factory.mktemp("namespaced")
    with start() as plane:
        assert plane.audit_log is not None
        install(plane)
        with running(plane, folder, root_key, NAMED, ready=False) as operator:
            eventually(operator.leads)
            yield World(plane, operator, AuditLog(plane.audit_log, plane), keyring)


@pytest.fixture(scope="module")
def own_cluster(control_plane: ControlPlane) -> None:
    if control_plane.faults is None:
        pytest.skip("needs a control plane of its own")


def test_a_namespace_that_is_not_there_yet_holds_up_no_other_and_is_named(
    world: World,
) -> None:
    for namespace in SERVED:
        world.tenant(namespace).synced("db", password=namespace)

    assert [world.tenant(each).data("db") for each in SERVED] == [
        {"password": namespace} for namespace in SERVED
    ]
    assert world.operator.not_ready() == [
        "list of Secrets in late",
        "watch of Secrets in late",
        "watch of VaultSecrets in late",
    ]
    assert world.operator.get("/livez") == "ok\n"


def test_a_namespace_that_comes_late_is_served(world: World) -> None:
    world.plane.kubectl("create", "namespace", LATE)
    admit(world.plane, LATE)

    world.tenant(LATE).synced("db", password="late")

    assert world.tenant(LATE).data("db") == {"password": "late"}
    eventually(lambda: world.operator.not_ready() == [])


def test_in_another_namespace_nothing_is_done_or_seen(world: World) -> None:
    tenant = world.tenant(THIRD)
    tenant.apply(tenant.manifest("db", tenant.seal("db", password="x")))

    world.tenant("shop").synced("after", password="x")

    assert not tenant.exists("secret", "db")
    # As the CRD has it until somebody says more.
    assert tenant.get("vaultsecret", "db")["status"] == {"observedGeneration": -1}
    assert world.audit.requests(0, namespace=THIRD) == []


@pytest.mark.parametrize("namespace", SERVED)
def test_a_secret_is_repaired_and_goes_with_its_owner(
    world: World, namespace: str
) -> None:
    tenant = world.tenant(namespace)
    tenant.synced("brief", password="kept")

    tenant.kubectl("patch", "secret", "brief", '-p={"stringData":{"password":"x"}}')
    eventually(lambda: tenant.data("brief") == {"password": "kept"})
    tenant.kubectl("delete", "vaultsecret", "brief")
    eventually(lambda: not tenant.exists("secret", "brief"))


def test_at_rest_nothing_is_asked_but_for_the_lease(world: World) -> None:
    eventually(lambda: world.operator.not_ready() == [])
    wait_for_no_leftovers(world.plane)
    world.audit.calls(0, SERVED[0])
    since = world.audit.now()

    time.sleep(REST_SECONDS)

    assert {r.resource for r in world.audit.requests(since)} == {"leases"}


def test_nothing_was_ever_listed_or_watched_in_the_whole_cluster(world: World) -> None:
    wide = [r for r in world.audit.requests(0) if r.resource and not r.namespace]
    lists = [r for r in world.audit.requests(0) if r.verb in {"list", "watch"}]

    assert wide == []
    assert {r.namespace for r in lists} == {*SERVED, LATE}
    kinds = {"secrets", "vaultconnections", "vaultsecrets"}
    assert {r.resource for r in lists} == kinds


@pytest.mark.parametrize("verb", ["list", "watch", "get", "create", "patch"])
@pytest.mark.parametrize("where", [f"--namespace={THIRD}", "--all-namespaces"])
def test_the_account_has_no_right_elsewhere(
    world: World, verb: str, where: str
) -> None:
    asked = subprocess.run(
        ["kubectl", "auth", "can-i", verb, "secrets", where],
        env=world.plane.env(world.operator.kubeconfig),
        capture_output=True,
        text=True,
        check=False,
    )

    assert asked.stdout.strip() == "no"


def test_its_rights_are_those_of_the_cluster_role_and_no_more() -> None:
    def rules(path: str, kind: str) -> list[object]:
        bodies = yaml.safe_load_all((ROOT / "deploy" / path).read_text())
        found: list[object] = next(b["rules"] for b in bodies if b["kind"] == kind)
        return found

    # Namespaces are in no namespace.
    wide = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"]}
    assert [*rules("namespaced/rights.yaml", "Role"), wide] == [
        *(each for each in rules("base/rbac.yaml", "ClusterRole") if each != wide),
        wide,
    ]
    assert wide in rules("base/rbac.yaml", "ClusterRole")


def test_a_connection_cannot_select_namespaces_by_labels_and_says_so(
    world: World,
) -> None:
    tenant = world.tenant("shop")
    section = {"project": "a", "config": "b", "tokenSecretRef": {"name": "absent"}}
    way = {
        "apiVersion": "vaultferry.dev/v1alpha1",
        "kind": "VaultConnection",
        "metadata": {"name": "selecting"},
        "spec": {"doppler": section, "access": {"namespaceSelector": {}}},
    }
    tenant.apply(way)

    def said() -> str:
        status = tenant.get("vaultconnection", "selecting").get("status") or {}
        return "".join(c["message"] for c in status.get("conditions") or [])

    eventually(lambda: "namespaceSelector" in said())
    assert "name them in spec.access.namespaces" in said()
    tenant.kubectl("delete", "vaultconnection", "selecting")


def test_what_deploy_builds_has_nothing_cluster_wide(
    control_plane: ControlPlane,
) -> None:
    built = control_plane.kubectl("kustomize", str(ROOT / "deploy" / "namespaced"))
    bodies = list(yaml.safe_load_all(built))

    wide = {b["kind"] for b in bodies if "namespace" not in b["metadata"]}
    assert wide == {"Namespace"}
    [deployment] = [b for b in bodies if b["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    names = [variable["name"] for variable in container["env"]]
    assert names.count("VAULTFERRY_NAMESPACES") == 1
    assert "ENCRYPTION_KEY_FILE" in names
    assert deployment["metadata"]["namespace"] == NAMESPACE
