"""A place of their own for the tests of the control plane."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.controlplane import ControlPlane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    name = f"rig-{uuid4().hex[:8]}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")
