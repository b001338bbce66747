"""The public keys in the cluster: written where they differ, and only there."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.keyrings import keyring
from tests.patches import json_patched
from tests.running import run
from vaultferry.cluster import Cluster
from vaultferry.core.answers import Absent, Stale
from vaultferry.core.errors import ApiForbidden, ApiUnavailable
from vaultferry.core.publickeys import NAME, published
from vaultferry.operator.publickeys import PublicKeys

OF = "vaultferry.operator.publickeys"
OLD, NEW = keyring(1), keyring(2, 1)


class Holding(Cluster):
    """Keeps one ConfigMap; its first answers may be faults."""

    def __init__(self, *faults: Exception) -> None:
        self.body: dict[str, Any] = {"metadata": {"resourceVersion": "1"}}
        self.faults = list(faults)
        self.calls: list[str] = []

    async def get_config_map(self, namespace: str, name: str) -> dict[str, Any]:
        self.calls.append(f"get {namespace}/{name}")
        if self.faults:
            raise self.faults.pop(0)
        return self.body

    async def patch_config_map(
        self, namespace: str, name: str, operations: list[dict[str, Any]]
    ) -> None:
        self.calls.append(f"patch {namespace}/{name}")
        self.body = json_patched(self.body, operations)


GET, PATCH = f"get ours/{NAME}", f"patch ours/{NAME}"


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    for name in ("SHORTEST_SECONDS", "LONGEST_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(f"{OF}.{name}", 0.001)


def moment(cluster: Holding) -> None:
    """Run for a moment."""

    async def story() -> None:
        task = asyncio.ensure_future(PublicKeys(cluster, "ours", NEW).run())
        await asyncio.sleep(0.2)
        task.cancel()

    run(story())


def test_an_empty_config_map_is_filled_once_and_read_at_each_start() -> None:
    cluster = Holding()

    moment(cluster)
    moment(cluster)

    assert cluster.calls == [GET, PATCH, GET]
    assert cluster.body["data"] == published(NEW)


def test_another_root_key_is_one_write() -> None:
    cluster = Holding()
    cluster.body["data"] = published(OLD)

    moment(cluster)

    assert cluster.calls == [GET, PATCH]
    assert cluster.body["data"] == published(NEW)


@pytest.mark.usefixtures("eager")
def test_what_somebody_changed_is_made_right_again() -> None:
    cluster = Holding()
    moment(cluster)
    cluster.body["data"] = published(OLD)

    moment(cluster)

    assert cluster.body["data"] == published(NEW)


FAULTS = [Absent(), Stale(), ApiForbidden("no"), ApiUnavailable("no answer")]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_a_fault_is_logged_once_and_tried_again(fault: Exception) -> None:
    cluster = Holding(fault, fault, fault)

    with capture_logs() as logs:
        moment(cluster)

    assert cluster.body["data"] == published(NEW)
    warned = [log for log in logs if log["log_level"] == "warning"]
    assert [log["reason"] for log in warned] == [type(fault).__name__]


def test_where_there_is_none_none_is_made() -> None:
    cluster = Holding(Absent())

    moment(cluster)

    assert cluster.calls == [GET]
