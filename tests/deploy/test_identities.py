"""deploy/identities: what it gives to the operator, and what it keeps from it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.controlplane import ControlPlane

Body = dict[str, Any]

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "identities"
OF_BASE = ROOT / "deploy" / "base" / "rbac.yaml"


def read(name: str, kind: str) -> Body:
    """Return the only object of a kind in a file."""
    objects = yaml.safe_load_all((FOLDER / name).read_text())
    [found] = [body for body in objects if body["kind"] == kind]
    return dict(found)


def rights(role: Body) -> list[tuple[str, str]]:
    """Return what a role allows of core kinds."""
    assert all(rule["apiGroups"] == [""] for rule in role["rules"])
    return [
        (verb, resource)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def test_everything_in_the_folder_is_built_but_what_is_for_a_namespace(
    control_plane: ControlPlane,
) -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")}
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    built = yaml.safe_load_all(control_plane.kubectl("kustomize", str(FOLDER)))

    assert set(listed) == files - {"kustomization.yaml", "rights.yaml"}
    assert sorted(body["kind"] for body in built) == [
        "ClusterRole",
        "ClusterRoleBinding",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ]


def test_the_rights_are_two_and_the_same_for_a_namespace_and_for_all() -> None:
    wanted = [("get", "serviceaccounts"), ("create", "serviceaccounts/token")]

    assert rights(read("rbac.yaml", "ClusterRole")) == wanted
    assert rights(read("rights.yaml", "Role")) == wanted


def test_in_a_namespace_they_are_for_an_account_that_is_named() -> None:
    names = [rule["resourceNames"] for rule in read("rights.yaml", "Role")["rules"]]

    assert names == [["vault-reader"]] * 2


def test_they_are_off_by_default() -> None:
    text = OF_BASE.read_text()

    assert "serviceaccounts" not in text


def test_who_has_them_is_the_operator_and_so_is_who_is_limited() -> None:
    subjects = read("rbac.yaml", "ClusterRoleBinding")["subjects"]
    assert read("rights.yaml", "RoleBinding")["subjects"] == subjects
    [account] = subjects
    [condition] = read("policy.yaml", "ValidatingAdmissionPolicy")["spec"][
        "matchConditions"
    ]

    name = f"system:serviceaccount:{account['namespace']}:{account['name']}"
    assert f"'{name}'" in condition["expression"]


@pytest.fixture
def applied(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    yield control_plane
    everything = ("-k", str(FOLDER), "--ignore-not-found")
    control_plane.kubectl("delete", *everything)


def test_strict_server_side_apply_takes_it(applied: ControlPlane) -> None:
    flags = ("--server-side", "--validate=strict")

    said = applied.kubectl("apply", *flags, "-k", str(FOLDER))

    assert said.count("serverside-applied") == 4
    policy = "validatingadmissionpolicy/tokens.vaultferry.dev"
    warned = applied.kubectl("get", policy, "-o", "jsonpath={.status.typeChecking}")
    assert "expressionWarnings" not in warned
