"""One operator for the tests that need no operator of their own, and a namespace."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.controlplane import ControlPlane, start
from tests.e2e.audit import AuditLog
from tests.e2e.diagnosis import pytest_runtest_makereport
from tests.e2e.operator import Operator, install, running
from tests.e2e.tenant import Tenant
from tests.e2e.webhook import Webhook, asked_webhook
from vaultferry.core.keyring import Keyring

__all__ = ["pytest_runtest_makereport"]

# Long, and hard on whatever runs after it, or on who builds: `make campaign`.
CAMPAIGN = ["test_fairness.py", "test_cert_manager.py"]
collect_ignore = [] if os.environ.get("CAMPAIGN") else CAMPAIGN


@pytest.fixture(scope="session")
def root_key() -> str:
    """The root key of this session's cluster."""
    return Fernet.generate_key().decode()


@pytest.fixture(scope="session")
def keyring(root_key: str) -> Keyring:
    return Keyring.parse([root_key])


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with our CRD and rights installed."""
    install(control_plane)
    return control_plane


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """One more control plane, without an operator, to stop and to change.

    Skips where the tests run in a cluster of somebody else's.
    """
    if control_plane.faults is None:
        pytest.skip("needs a control plane of its own")
    with start() as own:
        install(own)
        yield own


@pytest.fixture(scope="package")
def operator(
    cluster: ControlPlane, root_key: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """An operator that runs throughout; not for tests that start their own."""
    folder = tmp_path_factory.mktemp("operator")
    with running(cluster, folder, root_key) as started:
        yield started


@pytest.fixture(scope="module")
def webhook(
    control_plane: ControlPlane,
    operator: Operator,
    root_key: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Webhook]:
    """A webhook that the API server asks, beside the operator."""
    del operator
    if control_plane.faults is None:
        pytest.skip("the API server of somebody else's cluster does not reach it")
    folder = tmp_path_factory.mktemp("webhook")
    home = folder / "home"
    home.mkdir()
    talkative = {"PYTHONASYNCIODEBUG": "1", "PYTHONDEVMODE": "1"}
    places = dict.fromkeys(("TMPDIR", "HOME", "XDG_CACHE_HOME"), str(home))
    environ = {**talkative, **places}
    with asked_webhook(control_plane, folder, root_key, **environ) as started:
        yield started


@pytest.fixture
def tenant(cluster: ControlPlane, keyring: Keyring) -> Iterator[Tenant]:
    """A fresh namespace, and what a person does in it."""
    namespace = f"test-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", namespace)
    yield Tenant(cluster, namespace, keyring)
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def audit(cluster: ControlPlane, audit_log: Path) -> AuditLog:
    """What the API server was asked for; skips where there is no log to read."""
    return AuditLog(audit_log, cluster)
