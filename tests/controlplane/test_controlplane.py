"""What a running control plane promises to the tests that use it."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.controlplane import ControlPlane, ControlPlaneError, existing
from tests.controlplane.build import VERSION
from tests.controlplane.kubeconfig import encode

V1 = {"apiVersion": "v1"}


def who(plane: ControlPlane, kubeconfig: Path) -> dict[str, Any]:
    done = subprocess.run(
        ["kubectl", "auth", "whoami", "--output=json"],
        env=plane.env(kubeconfig),
        capture_output=True,
        check=True,
    )
    user: dict[str, Any] = json.loads(done.stdout)["status"]["userInfo"]
    return user


def test_client_and_server_say_their_version(own_control_plane: ControlPlane) -> None:
    said = json.loads(own_control_plane.kubectl("version", "--output=json"))

    assert said["clientVersion"]["gitVersion"] == VERSION["gitVersion"]
    assert said["serverVersion"]["gitVersion"] == VERSION["gitVersion"]


def test_the_default_service_account_is_there_from_the_start(
    control_plane: ControlPlane,
) -> None:
    assert control_plane.kubectl("get", "serviceaccount", "default")


def test_at_rest_a_secret_is_unreadable_where_a_configmap_is_not(
    control_plane: ControlPlane, etcd_dir: Path, namespace: str
) -> None:
    hidden, shown = uuid4().hex, uuid4().hex
    metadata = {"name": "canary", "namespace": namespace}
    secret = {**V1, "kind": "Secret", "stringData": {"key": hidden}}
    config = {**V1, "kind": "ConfigMap", "data": {"key": shown}}

    control_plane.create({**secret, "metadata": metadata})
    control_plane.create({**config, "metadata": metadata})

    wait_for_bytes(etcd_dir, shown)
    assert not holds(etcd_dir, hidden)
    assert not holds(etcd_dir, encode(hidden))


def test_the_audit_log_holds_requests_and_no_bodies(
    control_plane: ControlPlane, audit_log: Path, namespace: str
) -> None:
    canary = uuid4().hex
    metadata = {"name": "canary", "namespace": namespace}
    config = {**V1, "kind": "ConfigMap", "data": {"key": canary}}

    control_plane.create({**config, "metadata": metadata})

    text = audit_log.read_text()
    assert f"/api/v1/namespaces/{namespace}/configmaps" in text
    assert canary not in text
    assert "RequestReceived" not in text


def test_a_tenant_can_do_what_it_is_bound_to_and_nothing_else(
    control_plane: ControlPlane, namespace: str
) -> None:
    binding = ["--clusterrole=view", "--user=tenant", f"--namespace={namespace}"]
    control_plane.kubectl("create", "rolebinding", "tenant", *binding)

    def list_configmaps(place: str) -> int:
        return subprocess.run(
            ["kubectl", "get", "configmaps", f"--namespace={place}"],
            env=control_plane.env(control_plane.tenant_kubeconfig),
            capture_output=True,
            check=False,
        ).returncode

    assert list_configmaps(namespace) == 0
    assert list_configmaps("default") != 0


def test_a_user_has_the_name_and_the_groups_asked_for(
    control_plane: ControlPlane,
) -> None:
    user = who(
        control_plane, control_plane.kubeconfig_for_user("a/b:c", ["dev", "ops"])
    )

    assert user["username"] == "a/b:c"
    assert {"dev", "ops"} <= set(user["groups"])


def test_a_service_account_has_a_token_of_its_own(control_plane: ControlPlane) -> None:
    kubeconfig = control_plane.kubeconfig_for_service_account("default", "default")

    user = who(control_plane, kubeconfig)

    assert user["username"] == "system:serviceaccount:default:default"


def test_in_somebody_elses_cluster_users_are_impersonated(
    control_plane: ControlPlane,
) -> None:
    with existing(control_plane.kubeconfig) as foreign:
        user = who(foreign, foreign.kubeconfig_for_user("visitor", ["guests"]))

        assert user["username"] == "visitor"
        assert "guests" in user["groups"]
        assert foreign.audit_log is None


def test_somebody_elses_api_server_is_not_stopped(control_plane: ControlPlane) -> None:
    with (
        existing(control_plane.kubeconfig) as foreign,
        pytest.raises(ControlPlaneError, match="somebody else"),
    ):
        foreign.stop_apiserver()


def test_the_api_server_can_fail_and_come_back(own_control_plane: ControlPlane) -> None:
    own_control_plane.stop_apiserver()
    running_without = own_control_plane.usage()
    own_control_plane.start_apiserver()

    assert running_without.keys() == {"etcd", "kube-controller-manager"}
    assert own_control_plane.kubectl("get", "namespaces")
    assert own_control_plane.usage()["kube-apiserver"].rss_mib > 0


def holds(folder: Path, text: str) -> bool:
    files = (each for each in folder.rglob("*") if each.is_file())
    return any(text.encode() in each.read_bytes() for each in files)


def wait_for_bytes(folder: Path, text: str) -> None:
    deadline = time.monotonic() + 10
    while not holds(folder, text):
        assert time.monotonic() < deadline, "not written within 10 s"
        time.sleep(0.1)
