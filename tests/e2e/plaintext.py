"""What a person does with plaintext, where a webhook seals it."""

import json
from pathlib import Path
from typing import Any

from tests.e2e.tenant import Body, Tenant, eventually

WAYS: dict[str, tuple[str, ...]] = {
    "client-side": ("apply", "--filename=-"),
    "server-side": ("apply", "--server-side", "--filename=-"),
}


def plain(tenant: Tenant, name: str = "db", **values: Any) -> Body:
    """Return a manifest with plaintext in it."""
    manifest = tenant.manifest(name, {}, credentials=values)
    del manifest["spec"]["sealed"]
    return manifest


def send(tenant: Tenant, way: str, manifest: Body) -> str:
    return tenant.kubectl(*WAYS[way], stdin=json.dumps(manifest))


def synced(tenant: Tenant, way: str, manifest: Body) -> Body:
    """Apply, wait until that generation is realised, and return the VaultSecret."""
    send(tenant, way, manifest)
    name = manifest["metadata"]["name"]

    def is_realised() -> bool:
        body = tenant.get("vaultsecret", name)
        realised = body["status"]["observedGeneration"]
        return bool(realised == body["metadata"]["generation"])

    eventually(is_realised)
    tenant.wait_ready(name)
    return tenant.get("vaultsecret", name)


def holding(folder: Path, value: str) -> list[Path]:
    """Return the files in a folder that hold a value."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in paths if value.encode() in path.read_bytes()]
