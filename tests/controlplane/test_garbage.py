"""Children go with their owners, through the controllers that really do it."""

from typing import Any

from tests.controlplane import ControlPlane

OWNER = {"apiVersion": "v1", "kind": "ConfigMap"}
RIG = {"apiVersion": "rig.example/v1", "kind": "Rig"}
RIGS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "rigs.rig.example"},
    "spec": {
        "group": "rig.example",
        "scope": "Namespaced",
        "names": {"kind": "Rig", "plural": "rigs"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }
        ],
    },
}


def create_family(plane: ControlPlane, owner: dict[str, str], namespace: str) -> None:
    """Create `owner`, and the Secret `child` that belongs to it."""
    place = {"namespace": namespace}
    made = plane.create({**owner, "metadata": {"name": "owner", **place}})
    reference = {**owner, "name": "owner", "uid": made["metadata"]["uid"]}
    metadata: dict[str, Any] = {"name": "child", **place}
    metadata["ownerReferences"] = [reference]
    plane.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})


def wait_until_gone(plane: ControlPlane, what: str, namespace: str) -> None:
    flags = ["--for=delete", "--timeout=20s", f"--namespace={namespace}"]
    plane.kubectl("wait", what, *flags)


def test_a_child_goes_with_its_owner(
    control_plane: ControlPlane, namespace: str
) -> None:
    create_family(control_plane, OWNER, namespace)

    control_plane.kubectl("delete", "configmap/owner", f"--namespace={namespace}")

    wait_until_gone(control_plane, "secret/child", namespace)


def test_a_child_goes_with_an_owner_of_a_kind_just_installed(
    own_control_plane: ControlPlane, namespace: str
) -> None:
    own_control_plane.create(RIGS)
    own_control_plane.wait_established("crd")
    own_control_plane.notice_new_kinds()
    create_family(own_control_plane, RIG, namespace)

    own_control_plane.kubectl("delete", "rig/owner", f"--namespace={namespace}")

    wait_until_gone(own_control_plane, "secret/child", namespace)
    own_control_plane.kubectl("delete", "crd/rigs.rig.example", "--wait=false")
