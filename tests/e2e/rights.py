"""Takes rights away from the operator for a moment."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.controlplane import ControlPlane
from tests.e2e.operator import NAMESPACE
from vaultferry.core.model import GROUP

_ROLE = "clusterrole/vaultferry"
_ACCOUNT = f"system:serviceaccount:{NAMESPACE}:vaultferry"
_SECONDS = 10


@contextmanager
def without(plane: ControlPlane, resource: str, *verbs: str) -> Iterator[None]:
    """Have the operator lack some verbs on a resource meanwhile."""
    before = json.loads(plane.kubectl("get", _ROLE, "-o", "json"))["rules"]
    less = [
        rule | {"verbs": [verb for verb in rule["verbs"] if verb not in verbs]}
        if resource in rule["resources"]
        else rule
        for rule in before
    ]
    _write(plane, less)
    try:
        _wait(plane, resource, verbs[0], "no")
        yield
    finally:
        _write(plane, before)
        _wait(plane, resource, verbs[0], "yes")


def _write(plane: ControlPlane, rules: list[dict[str, list[str]]]) -> None:
    text = json.dumps({"rules": rules})
    plane.kubectl("patch", _ROLE, "--type=merge", f"--patch={text}")


def _wait(plane: ControlPlane, resource: str, verb: str, wanted: str) -> None:
    """Wait until the API server's authorizer knows."""
    deadline = time.monotonic() + _SECONDS
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": _ACCOUNT,
            "resourceAttributes": {
                "namespace": "default",
                "group": GROUP if resource.startswith("vaultsecrets") else "",
                "resource": resource,
                "verb": verb,
            },
        },
    }
    while plane.create(review)["status"]["allowed"] != (wanted == "yes"):
        assert time.monotonic() < deadline, f"{verb} {resource} is not {wanted} yet"
        time.sleep(0.05)
