"""A wall clock that jumps: it dates what happens, and decides nothing."""

import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.controlplane import ControlPlane
from tests.e2e.acts import create_many, fresh
from tests.e2e.audit import AuditLog
from tests.e2e.operator import NAMESPACE, Operator
from tests.e2e.tenant import Tenant, eventually
from vaultferry.core.keyring import Keyring

COUNT = 20
REST_SECONDS = 6
JUMPS = ("+1m", "-1m", "+1h", "-1h", "+1d", "-1d")

Jump = Callable[[str], None]


def preload() -> Path:
    """Return the library that a wheel brings for one kind of processor only."""
    if platform.machine() != "x86_64":
        pytest.skip("libfaketime is built for x86_64 only")
    found = find_spec("libfaketime")
    assert found
    assert found.origin
    return Path(found.origin).with_name("vendor") / "libfaketime/src/libfaketime.so.1"


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """A file that says how far the clock of the operator is off."""
    path = tmp_path / "clock"
    path.write_text("+0\n")
    return path


@pytest.fixture
def operator(
    plane: ControlPlane, root_key: str, clock: Path, tmp_path: Path
) -> Iterator[Operator]:
    """An operator whose wall clock is not that of anybody else."""
    shifted = Operator(
        kubeconfig=plane.kubeconfig_for_service_account(NAMESPACE, "vaultferry"),
        log=tmp_path / "operator.log",
        environ={
            "ENCRYPTION_KEY": root_key,
            "LD_PRELOAD": str(preload()),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            # Clocks that count from the start of the machine do not jump.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        },
    )
    try:
        shifted.start()
        yield shifted
    finally:
        if shifted.process is not None:
            shifted.stop()


@pytest.fixture
def team(plane: ControlPlane, keyring: Keyring) -> Iterator[Tenant]:
    with fresh(plane, keyring) as tenant:
        yield tenant


def test_a_clock_that_jumps_costs_no_write_and_no_lease(
    operator: Operator, plane: ControlPlane, clock: Path, team: Tenant
) -> None:
    assert plane.audit_log
    audit = AuditLog(plane.audit_log, plane)
    names = [f"db-{number}" for number in range(COUNT)]
    create_many(team, [team.manifest(n, team.seal(n, password=n)) for n in names])

    for number, jump in enumerate(JUMPS):
        since = audit.now()
        clock.write_text(f"{jump}\n")
        time.sleep(REST_SECONDS)
        calls = Counter(map(str, audit.requests(since)))
        assert set(calls) <= {"update leases"}, f"{jump}: {calls}"
        wanted = {"password": f"after {jump}"}
        team.synced(names[number], **wanted)
        eventually(lambda: team.data(names[number]) == wanted)  # noqa: B023

    assert operator.metric("lease_lost_total") == 0


def test_an_edit_is_dated_by_the_clock_as_it_is(
    operator: Operator, clock: Path, team: Tenant
) -> None:
    del operator
    created = team.synced("db", password="before")["status"]["createdAt"]

    clock.write_text("-1d\n")
    status = team.synced("db", password="after")["status"]

    assert status["createdAt"] == created
    assert status["updatedAt"] < created
