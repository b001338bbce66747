"""What the model test runs on, and which parts of it are only for `make campaign`."""

import os

import pytest

from tests.controlplane import ControlPlane
from tests.e2e.operator import install

# To look for each bug until it is found takes ten minutes. And runs have to be without
# an alarm for longer before each make test has one: see README.md.
_CAMPAIGN = bool(os.environ.get("CAMPAIGN"))
_BRIEF = bool(os.environ.get("MODEL_BRIEF"))
_RUNS = [] if _CAMPAIGN or _BRIEF else ["test_run.py"]
collect_ignore = _RUNS if _CAMPAIGN else ["test_bugs.py", *_RUNS]


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with our CRD and rights installed."""
    install(control_plane)
    return control_plane
