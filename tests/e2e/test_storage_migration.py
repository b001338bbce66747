"""Secrets that are encrypted anew at rest: every resourceVersion moves, no value."""

import json
import secrets
from base64 import b64encode
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from tests.controlplane import ControlPlane
from tests.e2e.acts import create_many, fresh, patch
from tests.e2e.audit import AuditLog
from tests.e2e.operator import running
from tests.e2e.tenant import Body, Tenant, eventually
from vaultferry.core.keyring import Keyring

COUNT = 30


def manifest(tenant: Tenant, number: int) -> Body:
    name, policy = f"db-{number}", ("Owner", "Orphan")[number % 2]
    sealed = tenant.seal(name, password=f"value of {name}")
    return tenant.manifest(name, sealed, target={"creationPolicy": policy})


def listed(tenant: Tenant) -> dict[str, Body]:
    """Return the Secrets by name."""
    items = json.loads(tenant.kubectl("get", "secrets", "-o", "json"))["items"]
    return {item["metadata"]["name"]: item for item in items}


def versions(listed: dict[str, Body]) -> dict[str, str]:
    return {k: body["metadata"]["resourceVersion"] for k, body in listed.items()}


def contents(listed: dict[str, Body]) -> dict[str, tuple[Any, ...]]:
    """Return all that a pod or a person sees of Secrets."""
    seen = ("labels", "annotations", "ownerReferences", "uid")
    return {
        name: (body["type"], body["data"], *map(body["metadata"].get, seen))
        for name, body in listed.items()
    }


def change_encryption(plane: ControlPlane) -> None:
    """Encrypt what is written from now on with a new key, as an administrator would."""
    path = plane.work_dir / "encryption.yaml"
    configuration = yaml.safe_load(path.read_text())
    keys = configuration["resources"][0]["providers"][0]["secretbox"]["keys"]
    new = {"name": "new", "secret": b64encode(secrets.token_bytes(32)).decode()}
    keys.insert(0, new)
    plane.stop_apiserver()
    path.write_text(yaml.safe_dump(configuration))
    plane.start_apiserver()


def migrate(tenant: Tenant) -> None:
    """Write every Secret again as it is; the API server stores it with the new key."""
    everything = tenant.kubectl("get", "secrets", "-o", "json")
    tenant.kubectl("replace", "--filename=-", stdin=everything)


def test_a_storage_migration_costs_one_look_at_each_secret_and_changes_none(
    plane: ControlPlane, root_key: str, tmp_path: Path
) -> None:
    assert plane.audit_log
    audit = AuditLog(plane.audit_log, plane)
    with (
        running(plane, tmp_path, root_key) as operator,
        fresh(plane, Keyring.parse([root_key])) as tenant,
    ):
        create_many(tenant, [manifest(tenant, number) for number in range(COUNT)])
        before = listed(tenant)
        change_encryption(plane)
        eventually(operator.leads)
        since = audit.now()

        migrate(tenant)
        calls = Counter(audit.calls(since, tenant.namespace))

        after = listed(tenant)
        moved = versions(before).items() - versions(after).items()
        assert len(moved) == COUNT
        assert contents(after) == contents(before)
        assert calls == {"get secrets": COUNT}
        patch(tenant, "secret", "db-1", {"stringData": {"password": "x"}})
        eventually(lambda: tenant.data("db-1") == {"password": "value of db-1"})
