"""What the model test runs on, and which parts of it are only for `make campaign`."""

import os

import pytest

from tests.controlplane import ControlPlane
from tests.e2e.operator import install

# To look for each bug until it is found takes ten minutes.
_CAMPAIGN = bool(os.environ.get("CAMPAIGN"))
collect_ignore = [] if _CAMPAIGN else ["test_bugs.py"]


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with our CRD and rights installed."""
    install(control_plane)
    return control_plane
