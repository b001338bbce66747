"""What every test may ask for: a real control plane."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.controlplane import ControlPlane, existing, start

NOT_OURS = "the cluster given with --kubeconfig does not show this"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kubeconfig",
        type=Path,
        metavar="PATH",
        help="use the cluster of this kubeconfig (its administrator's) instead of "
        "starting a control plane",
    )


def pytest_configure() -> None:
    # A shell that starts the tests in the background has them ignore Ctrl-C, and so
    # would every process that they start: what ends by it would never end.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    """A control plane for the whole session, see tests/controlplane/README.md."""
    path = request.config.getoption("--kubeconfig")
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with ExitStack() as stack:
        # The first start builds for minutes, and a person is to see that.
        with capture.global_and_fixture_disabled():
            plane = stack.enter_context(existing(path) if path else start())
        yield plane


@pytest.fixture
def own_control_plane(control_plane: ControlPlane) -> ControlPlane:
    """One that may be stopped and measured; skips in somebody else's cluster."""
    if control_plane.faults is None:
        pytest.skip(NOT_OURS)
    return control_plane


@pytest.fixture
def audit_log(control_plane: ControlPlane) -> Path:
    """The audit log; skips where there is none to read."""
    if control_plane.audit_log is None:
        pytest.skip(NOT_OURS)
    return control_plane.audit_log


@pytest.fixture
def etcd_dir(control_plane: ControlPlane) -> Path:
    """Etcd's data, database and log; skips where there is none to read."""
    if control_plane.etcd_dir is None:
        pytest.skip(NOT_OURS)
    return control_plane.etcd_dir
