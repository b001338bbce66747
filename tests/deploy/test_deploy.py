"""deploy/base on a real API server: it builds, it is let in, and it is strict."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.controlplane import ControlPlane, ControlPlaneError
from tests.e2e.tenant import eventually
from vaultferry.core import publickeys

Body = dict[str, Any]

ROOT = Path(__file__).parents[2]
BASE = ROOT / "deploy" / "base"
NAMESPACE = "vaultferry-system"
POD = "--selector=app.kubernetes.io/name=vaultferry"


@pytest.fixture(scope="module")
def built(control_plane: ControlPlane) -> list[Body]:
    """What `kubectl kustomize` makes of deploy/base."""
    text = control_plane.kubectl("kustomize", str(BASE))
    return list(yaml.safe_load_all(text))


@pytest.fixture(scope="module")
def pod(built: list[Body]) -> Body:
    """The spec of the operator's pod."""
    spec: Body = one(built, "Deployment")["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def container(pod: Body) -> Body:
    [only] = pod["containers"]
    found: Body = only
    return found


@pytest.fixture(scope="module")
def applied(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A cluster that deploy/base was applied to, without the root key."""
    control_plane.kubectl("apply", "--kustomize", str(BASE))
    yield control_plane
    control_plane.kubectl(
        "-n", NAMESPACE, "delete", "deployment,service,pdb", "vaultferry"
    )


def one(objects: list[Body], kind: str, name: str | None = None) -> Body:
    """Return the only object of a kind, or the one of that name."""
    [found] = [
        body
        for body in objects
        if body["kind"] == kind and name in {None, body["metadata"]["name"]}
    ]
    return found


def admit(plane: ControlPlane, pod: Body) -> str:
    """Ask the API server whether it would admit a pod; return its answer."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "trial", "namespace": NAMESPACE},
        "spec": pod,
    }
    flags = ("--dry-run=server", "--filename=-")
    try:
        return plane.kubectl("create", *flags, stdin=json.dumps(manifest))
    except ControlPlaneError as error:
        return str(error)


def test_it_builds_to_what_the_operator_needs(built: list[Body]) -> None:
    assert sorted(body["kind"] for body in built) == [
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "Deployment",
        "Namespace",
        "PodDisruptionBudget",
        "Role",
        "Role",
        "Role",
        "RoleBinding",
        "RoleBinding",
        "RoleBinding",
        "Service",
        "ServiceAccount",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ]


def test_everything_in_the_folder_is_built(built: list[Body]) -> None:
    files = {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]

    assert set(listed) == files
    assert len(built) >= len(files)


def test_applied_twice_it_changes_nothing(applied: ControlPlane) -> None:
    said = applied.kubectl("apply", "--kustomize", str(BASE))

    changed = [line for line in said.splitlines() if not line.endswith(" unchanged")]
    # kubectl always sends the selector of this kind, and says so; nothing comes of it.
    assert changed == ["poddisruptionbudget.policy/vaultferry configured"]
    generation = "jsonpath={.metadata.generation}"
    budget = ("get", "poddisruptionbudget", "vaultferry", "-o", generation)
    assert applied.kubectl("-n", NAMESPACE, *budget) == "1"


def test_strict_server_side_apply_takes_it(applied: ControlPlane) -> None:
    flags = ("--server-side", "--dry-run=server", "--force-conflicts")

    said = applied.kubectl("apply", *flags, "--validate=strict", "-k", str(BASE))

    assert "deployment.apps/vaultferry serverside-applied" in said


def test_its_pods_are_made_and_wait_for_nodes(applied: ControlPlane) -> None:
    def phases() -> str:
        query = ("get", "pods", POD, "-o", "jsonpath={.items[*].status.phase}")
        return applied.kubectl("-n", NAMESPACE, *query)

    eventually(lambda: phases() == "Pending Pending", seconds=30)


def test_its_service_finds_its_pod(built: list[Body]) -> None:
    service = one(built, "Service")["spec"]
    template = one(built, "Deployment")["spec"]["template"]

    assert service["selector"].items() <= template["metadata"]["labels"].items()
    [port] = service["ports"]
    [named] = template["spec"]["containers"][0]["ports"]
    assert port["targetPort"] == named["name"]


def test_its_account_is_the_one_with_the_rights(built: list[Body], pod: Body) -> None:
    account = one(built, "ServiceAccount")["metadata"]
    [subject] = one(built, "ClusterRoleBinding")["subjects"]

    assert pod["serviceAccountName"] == account["name"] == subject["name"]
    assert account["namespace"] == subject["namespace"] == NAMESPACE


def test_the_namespace_enforces_restricted_pods(built: list[Body]) -> None:
    labels = one(built, "Namespace")["metadata"]["labels"]

    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_pod_is_admitted_as_restricted(applied: ControlPlane, pod: Body) -> None:
    assert "pod/trial created" in admit(applied, pod)


RELAXED: dict[str, Body] = {
    "privileged": {"privileged": True, "allowPrivilegeEscalation": True},
    "escalation": {"allowPrivilegeEscalation": True},
    "capabilities": {"capabilities": {"add": ["SYS_PTRACE"], "drop": ["ALL"]}},
    "root": {"runAsUser": 0},
}


@pytest.mark.parametrize("change", RELAXED.values(), ids=RELAXED)
def test_a_pod_with_more_power_is_refused(
    applied: ControlPlane, pod: Body, change: Body
) -> None:
    relaxed = copy.deepcopy(pod)
    relaxed["containers"][0]["securityContext"] |= change

    assert "violates PodSecurity" in admit(applied, relaxed)


def test_the_container_can_write_only_to_memory(pod: Body, container: Body) -> None:
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = container["volumeMounts"]
    writable = [volumes[m["name"]] for m in mounts if not m.get("readOnly")]

    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert [v["emptyDir"]["medium"] for v in writable] == ["Memory"]
    assert all("sizeLimit" in v["emptyDir"] for v in writable)


def test_the_root_key_is_a_file_that_only_the_group_reads(
    pod: Body, container: Body
) -> None:
    [key] = [v["secret"] for v in pod["volumes"] if "secret" in v]
    [mount] = [m for m in container["volumeMounts"] if m["name"] == "root-key"]
    environ = {e["name"]: e.get("value") for e in container["env"]}

    assert key["defaultMode"] == 0o440
    assert Path(environ["ENCRYPTION_KEY_FILE"] or "").parent == Path(mount["mountPath"])
    assert "ENCRYPTION_KEY" not in environ


def test_resources_are_asked_for_and_limited(container: Body) -> None:
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]


def test_probes_ask_for_paths_that_are_served(container: Body) -> None:
    source = (ROOT / "src" / "vaultferry" / "operator" / "health.py").read_text()
    served = re.findall(r'add_get\("([^"]+)"', source)
    probes = [
        container[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness")
    ]

    assert [probe["path"] for probe in probes] == ["/livez", "/readyz"]
    assert {probe["path"] for probe in probes} <= set(served)
    assert {probe["port"] for probe in probes} == {container["ports"][0]["name"]}


def test_a_second_replica_waits_on_another_node(built: list[Body], pod: Body) -> None:
    deployment = one(built, "Deployment")["spec"]
    [term] = pod["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    selected = term["podAffinityTerm"]["labelSelector"]["matchLabels"]

    assert deployment["replicas"] == 2
    assert selected.items() <= deployment["template"]["metadata"]["labels"].items()


def test_a_rollout_and_a_drain_leave_a_replica(built: list[Body]) -> None:
    deployment = one(built, "Deployment")["spec"]
    budget = one(built, "PodDisruptionBudget")["spec"]

    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert budget["minAvailable"] < deployment["replicas"]
    assert budget["selector"] == deployment["selector"]


def test_the_lease_is_where_its_rights_are(built: list[Body], container: Body) -> None:
    [found] = [e for e in container["env"] if e["name"] == "POD_NAMESPACE"]
    role = one(built, "Role", "vaultferry")
    binding = one(built, "RoleBinding", "vaultferry")
    path = found["valueFrom"]["fieldRef"]["fieldPath"]

    assert path == "metadata.namespace"
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert {each["metadata"]["namespace"] for each in (role, binding)} == {NAMESPACE}
    assert binding["subjects"] == one(built, "ClusterRoleBinding")["subjects"]


def test_everybody_may_read_the_public_keys_and_nothing_else(built: list[Body]) -> None:
    keys = one(built, "ConfigMap")["metadata"]
    role = one(built, "Role", "vaultferry-public-keys")
    binding = one(built, "RoleBinding", "vaultferry-public-keys")

    assert (keys["namespace"], keys["name"]) == (NAMESPACE, publickeys.NAME)
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": [keys["name"]],
            "verbs": ["get"],
        }
    ]
    assert [s["name"] for s in binding["subjects"]] == ["system:authenticated"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def test_applied_again_it_leaves_the_public_keys(applied: ControlPlane) -> None:
    keys = ("-n", NAMESPACE, "configmap", publickeys.NAME)
    change = json.dumps({"data": {"hpke-x25519": "as the operator wrote it"}})

    def data() -> Body:
        found: Body = json.loads(applied.kubectl("get", *keys, "-o", "json"))["data"]
        return found

    applied.kubectl("patch", *keys, f"--patch={change}")
    before = data()
    applied.kubectl("apply", "--kustomize", str(BASE))

    assert data() == before
    assert before["hpke-x25519"] == "as the operator wrote it"
