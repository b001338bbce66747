"""A good credential of every type and method becomes a Secret, by the command."""

from pathlib import Path

import pytest

from tests.cli.command import run
from tests.e2e.acts import raw_data
from tests.e2e.tenant import Tenant
from tests.secrettypes.good import GOOD
from vaultferry import secrettypes

pytestmark = pytest.mark.usefixtures("operator")


def options(tenant: Tenant, folder: Path, values: dict[str, bytes]) -> list[str]:
    (folder / "key.pub").write_text(str(tenant.keyring.public_key()))
    said = ["--public-key", str(folder / "key.pub"), "-n", tenant.namespace]
    for field, value in values.items():
        (folder / field).write_bytes(value)
        said += ["--field-file", f"{field}={folder / field}"]
    return said


@pytest.mark.parametrize(
    ("name", "method"), GOOD, ids=[f"{name} {method}" for name, method in GOOD]
)
def test_a_good_credential_becomes_a_secret(
    tenant: Tenant, tmp_path: Path, name: str, method: str | None
) -> None:
    values = GOOD[name, method]
    given = options(tenant, tmp_path, values)
    chosen = ["--auth-method", method] if method else []

    result = run(
        "create",
        "it",
        *(*given, *chosen, "--type", name, "--wait", "60"),
        KUBECONFIG=str(tenant.plane.kubeconfig),
    )

    newline = "--trim-newline strips it" in result.stderr
    assert (result.exit_code, newline) == (0, name == "opaque"), result.stderr
    assert raw_data(tenant, "it") == values
    kubernetes_type = secrettypes.load(name).kubernetes_type
    assert tenant.get("secret", "it")["type"] == kubernetes_type
