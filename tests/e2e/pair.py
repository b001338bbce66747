"""Two replicas of the operator on one control plane."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.controlplane import ControlPlane
from tests.e2e.operator import NAMESPACE, Operator, running
from tests.e2e.tenant import Body, eventually


class Pair:
    """Two operators on one control plane, by who leads now."""

    def __init__(self, plane: ControlPlane, leader: Operator, other: Operator) -> None:
        self.plane = plane
        self.leader = leader
        self.other = other

    def lease(self) -> Body:
        found = self.plane.kubectl(
            "-n", NAMESPACE, "get", "lease", "vaultferry", "-o", "json"
        )
        spec: Body = json.loads(found)["spec"]
        return spec

    def swap(self) -> None:
        """Start the one that ended again, as the one that waits."""
        self.leader, self.other = self.other, self.leader
        self.other.start(ready=False)
        eventually(self.other.is_ready)


@contextmanager
def paired(plane: ControlPlane, folder: Path, root_key: str) -> Iterator[Pair]:
    """Have a replica that leads, and one that waits."""
    with (
        _replica(plane, folder / "first", root_key) as leader,
        _replica(plane, folder / "second", root_key, ready=False) as other,
    ):
        eventually(other.is_ready)
        yield Pair(plane, leader, other)


@contextmanager
def _replica(
    plane: ControlPlane, folder: Path, root_key: str, *, ready: bool = True
) -> Iterator[Operator]:
    folder.mkdir()
    with running(plane, folder, root_key, ready=ready) as operator:
        yield operator
