"""An operator behind a fault proxy, an observer beside it, and namespaces."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cryptography.fernet import Fernet

from tests.controlplane import ControlPlane, kubeconfig
from tests.e2e.diagnosis import pytest_runtest_makereport
from tests.e2e.operator import NAMESPACE, Operator, install
from tests.faults.history import History
from tests.faults.proxy import Proxy
from vaultferry.core.keyring import Keyring

__all__ = ["pytest_runtest_makereport"]


@pytest.fixture(scope="package")
def root_key() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture(scope="package")
def keyring(root_key: str) -> Keyring:
    return Keyring.parse([root_key])


@pytest.fixture(scope="package")
def plane(control_plane: ControlPlane) -> ControlPlane:
    """One with our CRD and rights; skips in somebody else's cluster."""
    if control_plane.faults is None:
        pytest.skip("needs a control plane of its own")
    install(control_plane)
    return control_plane


@pytest.fixture(scope="package")
def history(plane: ControlPlane) -> Iterator[History]:
    with History(plane).observing() as observer:
        yield observer


@pytest.fixture(scope="module")
def proxy(plane: ControlPlane) -> Iterator[Proxy]:
    assert plane.ca_file is not None
    with Proxy(plane.server, plane.ca_file.read_text()).serving() as started:
        yield started


@pytest.fixture(scope="module")
def operator(
    plane: ControlPlane,
    proxy: Proxy,
    root_key: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Operator]:
    """An operator that knows the API server only through the proxy; not started."""
    folder = tmp_path_factory.mktemp("operator")
    made = Operator(
        kubeconfig=through(plane, proxy, folder / "kubeconfig"),
        log=folder / "operator.log",
        environ={"ENCRYPTION_KEY": root_key},
    )
    yield made
    if made.process is not None:
        made.stop()


def through(plane: ControlPlane, proxy: Proxy, path: Path) -> Path:
    """Write the kubeconfig of the operator's account that leads to a proxy."""
    direct = plane.kubeconfig_for_service_account(NAMESPACE, "vaultferry")
    user = yaml.safe_load(direct.read_text())["users"][0]["user"]
    cluster = kubeconfig.cluster(proxy.url, proxy.certificate)
    return kubeconfig.Access(cluster, user).write(path)
