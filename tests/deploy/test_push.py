"""deploy/push on a real API server: deploy/base, and a port for webhooks of vaults."""

from pathlib import Path

import pytest
import yaml

from tests.controlplane import ControlPlane
from tests.deploy.test_deploy import BASE, Body, one

FOLDER = Path(__file__).parents[2] / "deploy" / "push"


@pytest.fixture(scope="module")
def built(control_plane: ControlPlane) -> list[Body]:
    """What `kubectl kustomize` makes of deploy/push."""
    return list(yaml.safe_load_all(control_plane.kubectl("kustomize", str(FOLDER))))


@pytest.fixture(scope="module")
def base(control_plane: ControlPlane) -> list[Body]:
    return list(yaml.safe_load_all(control_plane.kubectl("kustomize", str(BASE))))


def test_everything_in_the_folder_is_built() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    said = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())

    listed = {*said["resources"], *(patch["path"] for patch in said["patches"])}
    assert listed - {"../base"} == files


def test_it_is_the_base_with_a_port(built: list[Body], base: list[Body]) -> None:
    [container] = one(built, "Deployment")["spec"]["template"]["spec"]["containers"]
    port = {"name": "push", "containerPort": 8090}
    variable = {"name": "VAULTFERRY_PUSH_PORT", "value": "8090"}
    assert port in container["ports"]
    container["ports"].remove(port)
    assert variable in container["env"]
    container["env"].remove(variable)

    added = {("NetworkPolicy", "vaultferry"), ("Service", "vaultferry-push")}
    rest = [b for b in built if (b["kind"], b["metadata"]["name"]) not in added]
    assert len(rest) == len(built) - 2
    assert rest == base


def test_its_service_and_its_policy_are_of_that_port(built: list[Body]) -> None:
    template = one(built, "Deployment")["spec"]["template"]
    service = one(built, "Service", "vaultferry-push")["spec"]
    policy = one(built, "NetworkPolicy")["spec"]

    assert service["selector"].items() <= template["metadata"]["labels"].items()
    assert service["ports"][0]["targetPort"] == "push"
    labels = policy["podSelector"]["matchLabels"]
    assert labels.items() <= template["metadata"]["labels"].items()
    open_to = {rule["ports"][0]["port"]: rule.get("from") for rule in policy["ingress"]}
    assert open_to["http"] is None
    assert open_to["push"] is not None


def test_strict_server_side_apply_takes_it(control_plane: ControlPlane) -> None:
    namespace = str(BASE / "namespace.yaml")
    control_plane.kubectl("apply", "-f", namespace)
    flags = ("--server-side", "--dry-run=server", "--force-conflicts")

    said = control_plane.kubectl(
        "apply", *flags, "--validate=strict", "-k", str(FOLDER)
    )

    assert "networkpolicy.networking.k8s.io/vaultferry serverside-applied" in said
