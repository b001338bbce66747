"""Two replicas: one reconciles, and the other takes over where that one ends."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.controlplane import ControlPlane
from tests.e2e.acts import fresh, wait_for_no_leftovers
from tests.e2e.audit import AuditLog
from tests.e2e.operator import NAMESPACE, Operator
from tests.e2e.pair import Pair, paired
from tests.e2e.tenant import Tenant, eventually
from tests.e2e.wire import wired
from vaultferry.core.keyring import Keyring

CRASH_SECONDS = 20
STOP_SECONDS = 3
REST_SECONDS = 12
OUTAGE_SECONDS = 60
LEASE_SECONDS = 15


@pytest.fixture
def pair(plane: ControlPlane, root_key: str, tmp_path: Path) -> Iterator[Pair]:
    with paired(plane, tmp_path, root_key) as two:
        yield two


@pytest.fixture
def team(plane: ControlPlane, keyring: Keyring) -> Iterator[Tenant]:
    with fresh(plane, keyring) as tenant:
        yield tenant


def edit(team: Tenant, value: str) -> None:
    team.apply(team.manifest("db", team.seal("db", password=value)))


def is_applied(team: Tenant, value: str) -> bool:
    return team.data("db") == {"password": value}


def test_the_second_of_two_is_ready_and_does_nothing(pair: Pair, team: Tenant) -> None:
    team.synced("db", password="kept")

    assert (pair.leader.leads(), pair.other.leads()) == (True, False)
    assert pair.lease()["holderIdentity"] in pair.leader.log.read_text()
    assert pair.other.get("/livez") == pair.other.get("/readyz") == "ok\n"
    assert pair.other.metric("vaultsecrets") == 0
    # It could do nothing with a webhook, so whoever sends one is to ask the other.
    assert takes_webhooks(pair.leader)
    assert pair.other.push_port == 0
    assert writes(pair.other) == 0


def test_at_rest_two_replicas_make_no_call_but_for_the_lease(
    pair: Pair, team: Tenant
) -> None:
    team.synced("db", password="kept")
    wait_for_no_leftovers(pair.plane)
    assert pair.plane.audit_log is not None
    audit = AuditLog(pair.plane.audit_log, pair.plane)
    audit.calls(0, team.namespace)
    since = audit.now()

    time.sleep(REST_SECONDS)

    asked = [str(request) for request in audit.requests(since)]
    assert set(asked) == {"get leases", "update leases"}
    assert asked.count("update leases") <= REST_SECONDS / 3
    assert asked.count("get leases") <= REST_SECONDS / 1.5


def test_a_leader_that_is_killed_is_replaced(pair: Pair, team: Tenant) -> None:
    team.synced("db", password="before")
    before = pair.lease()

    kill(pair.leader, signal.SIGKILL)
    edit(team, "after")
    took = eventually(lambda: is_applied(team, "after"), seconds=CRASH_SECONDS)

    print(f"takeover after kill -9: {took:.1f} s")
    assert pair.other.leads()
    assert pair.lease()["leaseTransitions"] == before["leaseTransitions"] + 1


def test_a_leader_that_is_stopped_is_replaced_at_once(pair: Pair, team: Tenant) -> None:
    team.synced("db", password="before")

    for value in ("once", "twice", "three times"):
        began = time.monotonic()
        assert pair.leader.stop() == 0
        stopped = time.monotonic()
        edit(team, value)
        eventually(partial(is_applied, team, value), seconds=STOP_SECONDS)
        took = time.monotonic() - stopped
        print(f"stopped in {stopped - began:.1f} s, takeover after {took:.1f} s more")
        assert pair.other.leads()
        pair.swap()


def test_a_replica_that_waits_ends_cleanly(pair: Pair) -> None:
    before = pair.lease()["holderIdentity"]

    assert pair.other.stop() == 0

    assert pair.lease()["holderIdentity"] == before
    assert pair.leader.leads()


def test_a_leader_that_wakes_late_overwrites_nothing_and_waits(
    pair: Pair, team: Tenant
) -> None:
    team.synced("db", password="before")
    assert pair.leader.process is not None
    pid = pair.leader.pid

    pair.leader.process.send_signal(signal.SIGSTOP)
    edit(team, "after")
    took = eventually(lambda: is_applied(team, "after"), seconds=CRASH_SECONDS)
    print(f"takeover from a leader that is stopped in its tracks: {took:.1f} s")
    team.wait_ready("db")
    seen = team.get("secret", "db"), team.get("vaultsecret", "db")
    pair.leader.process.send_signal(signal.SIGCONT)
    took = eventually(lambda: times_lost(pair.leader) == 1)
    print(f"it knew {took:.2f} s after it woke")
    eventually(pair.leader.is_ready)

    assert (pair.leader.leads(), pair.other.leads()) == (False, True)
    assert (takes_webhooks(pair.leader), takes_webhooks(pair.other)) == (False, True)
    assert pair.leader.process.poll() is None
    assert pair.leader.pid == pid
    assert (team.get("secret", "db"), team.get("vaultsecret", "db")) == seen


def test_a_leader_that_is_cut_off_stops_writing_and_leads_again_in_its_turn(
    pair: Pair, team: Tenant, tmp_path: Path
) -> None:
    team.synced("db", password="before")
    # The one that waits is started anew, over a wire, and then made to lead.
    assert pair.other.stop() == 0
    over = tmp_path / "over-a-wire"
    with wired(pair.plane, pair.other.kubeconfig, over) as wire:
        pair.other.kubeconfig = over
        pair.other.start(ready=False)
        eventually(pair.other.is_ready)
        assert pair.leader.stop() == 0
        eventually(pair.other.leads)
        pair.swap()
        cut_off, pid = pair.leader, pair.leader.pid

        wire.cut()
        eventually(lambda: not cut_off.leads())
        wrote = writes(cut_off)
        edit(team, "meanwhile")
        took = eventually(lambda: is_applied(team, "meanwhile"), seconds=CRASH_SECONDS)
        print(f"takeover from a leader that is cut off: {took:.1f} s after it knew")
        assert cut_off.get("/livez") == cut_off.get("/readyz") == "ok\n"
        wire.mend()
        time.sleep(LEASE_SECONDS)
        assert (cut_off.leads(), writes(cut_off)) == (False, wrote)

        assert pair.other.stop() == 0
        edit(team, "after")
        eventually(lambda: is_applied(team, "after"), seconds=STOP_SECONDS)
        assert (cut_off.leads(), cut_off.pid) == (True, pid)
        assert writes(cut_off) > wrote
        assert cut_off.stop() == 0


def test_replicas_outlive_a_minute_without_an_api_server(
    pair: Pair, team: Tenant
) -> None:
    team.synced("db", password="before")
    pids = pair.leader.pid, pair.other.pid

    with outage(pair):
        eventually(lambda: not pair.leader.leads(), seconds=15)
        answers = {
            each.get(path)
            for each in (pair.leader, pair.other)
            for path in ("/livez", "/readyz")
        }
    edit(team, "after")
    took = eventually(lambda: is_applied(team, "after"), seconds=CRASH_SECONDS)
    print(f"takeover after the API server is back: {took:.1f} s")

    assert answers == {"ok\n"}
    assert (pair.leader.pid, pair.other.pid) == pids
    assert [pair.leader.leads(), pair.other.leads()].count(True) == 1


def test_a_lease_that_is_deleted_is_made_again_by_its_holder(pair: Pair) -> None:
    before = pair.lease()["holderIdentity"]

    pair.plane.kubectl("-n", NAMESPACE, "delete", "lease", "vaultferry")
    eventually(
        lambda: "lease" in pair.plane.kubectl("-n", NAMESPACE, "get", "lease", "-oname")
    )

    assert pair.lease()["holderIdentity"] == before
    assert (pair.leader.leads(), pair.other.leads()) == (True, False)


@contextmanager
def outage(pair: Pair) -> Iterator[None]:
    """Have no API server for a minute."""
    pair.plane.stop_apiserver()
    began = time.monotonic()
    try:
        yield
        time.sleep(began + OUTAGE_SECONDS - time.monotonic())
    finally:
        pair.plane.start_apiserver()


def takes_webhooks(operator: Operator) -> bool:
    """Tell whether somebody listens where an operator last took webhooks."""
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", operator.push_port)) == 0


def times_lost(operator: Operator) -> int:
    return operator.log.read_text().count('"event": "lease lost"')


def writes(operator: Operator) -> float:
    """Return how many of its requests changed something."""
    return sum(
        operator.metric("api_requests_total", verb=verb, code=code)
        for verb in ("POST", "PUT", "PATCH")
        for code in ("200", "201")
    )


def kill(operator: Operator, number: signal.Signals) -> None:
    assert operator.process is not None
    operator.process.send_signal(number)
    operator.process.wait(10)
    operator.process = None
