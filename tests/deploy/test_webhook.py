"""deploy/webhook on a real API server: it is let in, and it may next to nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.controlplane import ControlPlane
from tests.keyrings import keyring
from vaultferry.cli.webhook import webhook
from vaultferry.webhook.configuration import manifest
from vaultferry.webhook.settings import DEFAULT_HOST, NAME, NAMESPACE

Body = dict[str, Any]

ROOT = Path(__file__).parents[2]
BASE = ROOT / "deploy" / "base"
FOLDER = ROOT / "deploy" / "webhook"
CERT_MANAGER = ROOT / "deploy" / "cert-manager"
OF_NAMESPACES = ROOT / "deploy" / "namespaced" / "webhook"


@pytest.fixture(scope="module")
def built(control_plane: ControlPlane) -> list[Body]:
    """What `kubectl kustomize` makes of deploy/webhook."""
    return list(yaml.safe_load_all(control_plane.kubectl("kustomize", str(FOLDER))))


@pytest.fixture(scope="module")
def pod(built: list[Body]) -> Body:
    spec: Body = one(built, "Deployment")["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def applied(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A cluster that deploy/webhook was applied to, without the root key."""
    control_plane.kubectl("apply", "-f", str(BASE / "namespace.yaml"))
    control_plane.kubectl("apply", "-f", str(ROOT / "crds"))
    control_plane.kubectl("apply", "--kustomize", str(FOLDER))
    yield control_plane
    control_plane.kubectl("delete", "--kustomize", str(FOLDER))


def one(objects: list[Body], kind: str) -> Body:
    [found] = [body for body in objects if body["kind"] == kind]
    return found


def test_everything_in_the_folder_is_built(built: list[Body]) -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]

    assert set(listed) == files
    assert sorted(body["kind"] for body in built) == [
        "ClusterRole",
        "ClusterRoleBinding",
        "Deployment",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ]


def test_its_one_right_is_to_get_vaultsecrets(built: list[Body]) -> None:
    [subject] = one(built, "ClusterRoleBinding")["subjects"]

    assert one(built, "ClusterRole")["rules"] == [
        {"apiGroups": ["vaultferry.dev"], "resources": ["vaultsecrets"]}
        | {"verbs": ["get"]}
    ]
    assert (subject["namespace"], subject["name"]) == (NAMESPACE, NAME)


def test_for_some_namespaces_it_is_the_same_without_what_is_cluster_wide(
    control_plane: ControlPlane, built: list[Body]
) -> None:
    text = control_plane.kubectl("kustomize", str(OF_NAMESPACES))

    ours = [body for body in built if "namespace" in body["metadata"]]
    assert list(yaml.safe_load_all(text)) == ours
    assert len(ours) == 4


def test_its_right_in_a_namespace_is_the_one_that_it_has_everywhere(
    built: list[Body],
) -> None:
    text = (OF_NAMESPACES / "rights.yaml").read_text()
    role, binding = yaml.safe_load_all(text)

    assert role["rules"] == one(built, "ClusterRole")["rules"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == one(built, "ClusterRoleBinding")["subjects"]


@pytest.fixture(scope="module")
def certified(control_plane: ControlPlane) -> list[Body]:
    """What `kubectl kustomize` makes of deploy/cert-manager."""
    text = control_plane.kubectl("kustomize", str(CERT_MANAGER))
    return list(yaml.safe_load_all(text))


def test_with_cert_manager_it_is_the_same_and_its_certificates(
    built: list[Body], certified: list[Body]
) -> None:
    ours = [b for b in certified if not b["apiVersion"].startswith("cert-manager.io/")]

    assert [b for b in ours if b["kind"] != "Deployment"] == [
        b for b in built if b["kind"] != "Deployment"
    ]
    [of_webhook] = [
        b["spec"]
        for b in certified
        if (b["kind"], b["metadata"]["name"]) == ("Certificate", NAME)
    ]
    assert of_webhook["dnsNames"] == [DEFAULT_HOST]


def test_with_cert_manager_the_files_that_are_served_are_mounted(
    certified: list[Body], pod: Body
) -> None:
    mounted: Body = one(certified, "Deployment")["spec"]["template"]["spec"]
    [container] = mounted["containers"]
    [volume] = [v for v in mounted["volumes"] if v["name"] == "tls"]
    [folder] = [m["mountPath"] for m in container["volumeMounts"] if m["name"] == "tls"]

    assert container["args"] == [
        "webhook",
        f"--tls-cert={folder}/tls.crt",
        f"--tls-key={folder}/tls.key",
    ]
    assert volume["secret"]["secretName"] == f"{NAME}-tls"
    assert [v for v in mounted["volumes"] if v != volume] == pod["volumes"]


def test_the_pod_is_admitted_as_restricted(applied: ControlPlane, pod: Body) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "trial", "namespace": NAMESPACE},
        "spec": pod,
    }
    flags = ("--dry-run=server", "--filename=-")

    assert "pod/trial created" in applied.kubectl(
        "create", *flags, stdin=json.dumps(manifest)
    )


def test_applied_twice_it_changes_nothing(applied: ControlPlane) -> None:
    said = applied.kubectl("apply", "--kustomize", str(FOLDER)).splitlines()

    changed = [line for line in said if not line.endswith(" unchanged")]
    assert changed == [f"poddisruptionbudget.policy/{NAME} configured"]


def test_the_policies_are_such_that_the_api_server_understands(
    applied: ControlPlane,
) -> None:
    kind = "validatingadmissionpolicies"
    policies = json.loads(applied.kubectl("get", kind, "-o", "json"))["items"]

    checked = [each.get("status", {}).get("typeChecking", {}) for each in policies]
    assert checked
    assert [each for each in checked if "expressionWarnings" in each] == []


def test_the_configuration_leads_to_the_service_and_its_certificate(
    applied: ControlPlane, built: list[Body]
) -> None:
    service = one(built, "Service")
    place = {"namespace": NAMESPACE, "name": NAME, "port": 443}
    text = json.dumps(manifest(keyring(), {"service": place}))

    said = applied.kubectl("create", "--dry-run=server", "-f", "-", stdin=text)

    assert "created" in said
    assert {p["name"]: p["port"] for p in service["spec"]["ports"]}["webhook"] == 443
    metadata = service["metadata"]
    assert f"{metadata['name']}.{metadata['namespace']}.svc" == DEFAULT_HOST


def test_ports_and_probes_are_those_that_are_served(
    built: list[Body], pod: Body
) -> None:
    [container] = pod["containers"]
    defaults = {p.name: p.default for p in webhook.params}
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    probes = [
        container[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness")
    ]

    assert ports == {"webhook": defaults["port"], "http": defaults["health_port"]}
    assert [p["path"] for p in probes] == ["/livez", "/readyz"]
    assert {p["port"] for p in probes} == {"http"}
    targets = {p["targetPort"] for p in one(built, "Service")["spec"]["ports"]}
    assert targets == set(ports)


def test_it_is_as_strict_as_the_operator(pod: Body) -> None:
    text = (BASE / "deployment.yaml").read_text()
    operator = yaml.safe_load(text)["spec"]["template"]["spec"]
    [own], [other] = pod["containers"], operator["containers"]

    assert pod["securityContext"] == operator["securityContext"]
    assert pod["volumes"] == operator["volumes"]
    for key in ("image", "securityContext", "volumeMounts"):
        assert own[key] == other[key]
    assert own["args"] == ["webhook"]


def test_a_rollout_and_a_drain_leave_a_replica(built: list[Body]) -> None:
    deployment = one(built, "Deployment")["spec"]
    budget = one(built, "PodDisruptionBudget")["spec"]

    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert budget["minAvailable"] < deployment["replicas"]
    assert budget["selector"] == deployment["selector"]
