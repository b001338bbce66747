"""What tests do and see beyond what every person does: bytes, edits, refusals."""

import base64
import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.controlplane import ControlPlane, ControlPlaneError
from tests.e2e.tenant import Body, Tenant, eventually
from vaultferry.core.keyring import Keyring
from vaultferry.core.sealing import Place, Scope


@contextmanager
def fresh(plane: ControlPlane, keyring: Keyring) -> Iterator[Tenant]:
    """Have one more namespace, beside the one of the fixture."""
    name = f"test-{secrets.token_hex(4)}"
    plane.kubectl("create", "namespace", name)
    yield Tenant(plane, name, keyring)
    plane.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")


def token(tenant: Tenant, place: Place, value: bytes) -> str:
    """Return a strict token for any place, of any bytes."""
    return tenant.keyring.public_key().seal(value, Scope.STRICT, place)


def raw_data(tenant: Tenant, name: str) -> dict[str, bytes]:
    """Return the data of a Secret as bytes."""
    data = tenant.get("secret", name).get("data") or {}
    return {key: base64.b64decode(value) for key, value in data.items()}


def ready(tenant: Tenant, manifest: Body) -> Body:
    """Apply a manifest, wait until Ready, and return the VaultSecret."""
    tenant.apply(manifest)
    name = manifest["metadata"]["name"]
    tenant.wait_ready(name)
    return tenant.get("vaultsecret", name)


def create_many(tenant: Tenant, manifests: Sequence[Body]) -> None:
    """Create VaultSecrets in one go, and wait until all in the namespace are Ready."""
    listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
    tenant.kubectl("create", "--filename=-", stdin=json.dumps(listed))
    eventually(lambda: ready_count(tenant) == len(manifests), seconds=60)


def ready_count(tenant: Tenant) -> int:
    """Return how many VaultSecrets of the namespace are Ready."""
    path = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status} {end}'
    said = tenant.kubectl("get", "vaultsecrets", "-o", f"jsonpath={path}")
    return said.split().count("True")


def patch(tenant: Tenant, kind: str, name: str, change: Body) -> None:
    """Merge-patch an object."""
    text = json.dumps(change)
    tenant.kubectl("patch", kind, name, "--type=merge", f"--patch={text}")


def patch_spec(tenant: Tenant, name: str, **spec: Any) -> None:
    """Merge-patch the spec of a VaultSecret."""
    patch(tenant, "vaultsecret", name, {"spec": spec})


def stalled(tenant: Tenant, name: str) -> Body:
    """Wait until a VaultSecret is Stalled; return that condition."""
    wanted = ("--for=condition=Stalled", "--timeout=10s")
    tenant.kubectl("wait", f"vaultsecrets.vaultferry.dev/{name}", *wanted)
    condition = tenant.condition(name, "Stalled")
    assert condition is not None
    return condition


def wait_reason(tenant: Tenant, name: str, reason: str, seconds: float = 10) -> None:
    """Wait until Ready has a reason."""
    eventually(lambda: tenant.reason(name) == reason, seconds)


def identity(tenant: Tenant, kind: str, name: str) -> tuple[str, str]:
    """Return uid and resourceVersion, which tell whether an object was written."""
    metadata = tenant.get(kind, name)["metadata"]
    return metadata["uid"], metadata["resourceVersion"]


def foreign_secret(tenant: Tenant, name: str, **metadata: Any) -> Body:
    """Make a Secret that no VaultSecret has made; return it."""
    return tenant.plane.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": tenant.namespace, **metadata},
            "stringData": {"password": "not ours"},
        }
    )


def refusal(tenant: Tenant, *arguments: str, stdin: str | None = None) -> str:
    """Run kubectl, which must fail; return what it says."""
    try:
        tenant.kubectl(*arguments, stdin=stdin)
    except ControlPlaneError as error:
        return str(error)
    raise AssertionError("it was accepted")


def restart_apiserver(plane: ControlPlane) -> None:
    """Have the API server die, and come back.

    No namespace ends meanwhile: until an API server that starts tells of the kinds of
    CRDs, a namespace is taken away without its objects of those, which then stay.
    """
    wait_for_no_leftovers(plane)
    plane.stop_apiserver()
    plane.start_apiserver()


def wait_for_no_leftovers(cluster: ControlPlane) -> None:
    """Wait for the namespaces of earlier tests, whose end still makes calls."""

    def none_ends() -> bool:
        phase = "--field-selector=status.phase=Terminating"
        return not cluster.kubectl("get", "namespaces", phase, "-o", "name").strip()

    eventually(none_ends, seconds=60)
