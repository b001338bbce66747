"""Holding the Lease, against a stand-in that keeps one, in a time that jumps."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.builders import Body
from tests.hurried import run, seconds
from vaultferry.cluster import Cluster
from vaultferry.core.answers import Absent, Stale
from vaultferry.core.errors import ApiUnavailable
from vaultferry.operator.lease import Lease, LeaseLost, new_identity

DOWN = ApiUnavailable("down")
HELD = {"holderIdentity": "them", "renewTime": "t1", "leaseTransitions": 1}


class Server(Cluster):
    """Keeps one Lease as an API server does; `faults` are what the next calls raise."""

    def __init__(self) -> None:
        self.body: Body | None = None
        self.calls: list[str] = []
        self.faults: list[Exception] = []
        self.failed: list[str] = []
        self.down = False
        self.hangs = False
        self.after: Callable[[], object] = lambda: None
        self._version = 0

    def store(self, spec: Body) -> Body:
        self._version += 1
        metadata = {"name": "vaultferry", "resourceVersion": str(self._version)}
        self.body = {"metadata": metadata, "spec": dict(spec)}
        return self.body

    @property
    def holder(self) -> str:
        assert self.body is not None
        holder: str = self.body["spec"]["holderIdentity"]
        return holder

    async def get_lease(self, namespace: str) -> Body:
        await self._called("get", namespace)
        if self.body is None:
            raise Absent
        return self.body

    async def create_lease(self, namespace: str, spec: Any) -> Body:
        await self._called("create", namespace)
        if self.body is not None:
            raise Stale
        return self._answered(spec)

    async def update_lease(self, namespace: str, body: Any) -> Body:
        await self._called("update", namespace)
        if self.body is None or self.body["metadata"] != body["metadata"]:
            raise Stale
        return self._answered(body["spec"])

    def _answered(self, spec: Body) -> Body:
        body = self.store(spec)
        self.after()
        return body

    async def _called(self, call: str, namespace: str) -> None:
        assert namespace == "system"
        self.calls.append(call)
        if self.hangs:
            await asyncio.Event().wait()
        if self.down:
            raise DOWN
        if self.faults:
            raise self.faults.pop(0)


def replica(server: Server, name: str = "us") -> Lease:
    return Lease(server, "system", name, seconds, lambda: 1.0, server.failed.append)


async def acquired(server: Server, name: str = "us") -> Lease:
    lease = replica(server, name)
    assert await lease.acquire(asyncio.Event())
    return lease


async def held_for(lease: Lease, how_long: float) -> None:
    async with lease.kept():
        await asyncio.sleep(how_long)
        assert lease.is_held


def test_the_first_replica_makes_the_lease_and_leads() -> None:
    server = Server()

    async def story() -> tuple[bool, float]:
        began = seconds()
        lease = await acquired(server)
        return lease.is_held and lease.is_known, seconds() - began

    assert run(story()) == (True, 0)
    assert server.calls == ["get", "create"]
    assert server.holder == "us"


def test_the_time_is_written_as_microtime() -> None:
    server = Server()

    run(acquired(server))

    assert server.body is not None
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
    assert re.fullmatch(pattern, server.body["spec"]["renewTime"])


def test_what_nobody_holds_is_taken_at_once() -> None:
    server = Server()
    server.store({**HELD, "holderIdentity": ""})

    run(acquired(server))

    assert server.calls == ["get", "update"]
    assert server.body is not None
    assert server.body["spec"]["leaseTransitions"] == 2


def test_what_is_not_renewed_is_taken_when_it_expires() -> None:
    server = Server()
    server.store(HELD)

    async def story() -> float:
        began = seconds()
        await acquired(server)
        return seconds() - began

    assert run(story()) == 15
    assert server.holder == "us"


def test_what_is_renewed_is_waited_for_until_told_to_stop() -> None:
    server = Server()
    server.store(HELD)

    async def renew() -> None:
        while True:
            await asyncio.sleep(9)
            server.store({**HELD, "renewTime": f"{seconds()}"})

    async def story() -> bool:
        stop, lease = asyncio.Event(), replica(server)
        renewing = asyncio.create_task(renew())
        asyncio.get_running_loop().call_later(100, stop.set)
        leads = await lease.acquire(stop)
        renewing.cancel()
        return leads or lease.is_held

    assert run(story()) is False
    assert set(server.calls) == {"get"}
    assert 50 <= len(server.calls) <= 60


def test_somebody_faster_is_waited_for() -> None:
    server = Server()
    server.faults = [Absent(), Stale()]

    async def story() -> tuple[bool, float]:
        began = seconds()
        lease = await acquired(server)
        return lease.is_held, seconds() - began

    assert run(story()) == (True, 2)


def test_a_claim_without_an_answer_is_looked_at_before_it_counts() -> None:
    server = Server()

    def lose_the_answer() -> None:
        server.after = lambda: None
        raise DOWN

    server.after = lose_the_answer
    run(acquired(server))

    assert server.calls == ["get", "create", "get", "update"]
    assert server.holder == "us"


def test_it_is_not_known_before_the_api_server_answered() -> None:
    server = Server()
    server.down = True

    async def story() -> bool:
        stop, lease = asyncio.Event(), replica(server)
        asyncio.get_running_loop().call_later(5, stop.set)
        await lease.acquire(stop)
        return lease.is_known

    assert run(story()) is False


def test_a_holder_renews_with_one_call_and_lets_go_in_the_end() -> None:
    server = Server()

    async def story() -> None:
        await held_for(await acquired(server), 60)

    run(story())

    assert server.calls[:2] == ["get", "create"]
    assert set(server.calls[2:]) == {"update"}
    assert 60 / 4 <= len(server.calls[2:]) <= 60 / 3 + 1
    assert server.body is not None
    assert server.holder == ""
    assert server.body["spec"]["leaseDurationSeconds"] == 1


def test_what_was_let_go_is_taken_within_two_seconds() -> None:
    server = Server()

    async def story() -> float:
        first = await acquired(server)
        waiting = asyncio.create_task(acquired(server, "them"))
        await held_for(first, 30)
        began = seconds()
        await waiting
        return seconds() - began

    assert run(story()) <= 2
    assert server.holder == "them"


@pytest.mark.parametrize("fault", [DOWN, Stale(), TimeoutError()], ids=repr)
def test_a_blip_is_survived(fault: Exception) -> None:
    server = Server()

    async def story() -> None:
        lease = await acquired(server)
        server.faults = [fault, fault]
        await held_for(lease, 20)

    run(story())

    assert server.faults == []
    assert server.failed == [type(fault).__name__] * 2


def test_a_lease_that_was_touched_by_a_person_is_still_ours() -> None:
    server = Server()

    async def story() -> None:
        lease = await acquired(server)
        assert server.body is not None
        server.store({**server.body["spec"], "strategy": "kept"})
        await held_for(lease, 10)

    run(story())

    assert server.body is not None
    assert server.body["spec"]["strategy"] == "kept"


def test_a_lease_that_was_deleted_is_made_again() -> None:
    server = Server()

    async def story() -> None:
        lease = await acquired(server)
        server.body = None
        await held_for(lease, 10)

    run(story())

    assert server.calls.count("create") == 2


@pytest.mark.parametrize("fault", ["down", "hangs"])
def test_what_cannot_be_renewed_for_ten_seconds_is_lost(fault: str) -> None:
    server = Server()

    async def story() -> float:
        lease = await acquired(server)
        setattr(server, fault, True)
        began = seconds()
        with pytest.raises(LeaseLost, match="in time"):
            await held_for(lease, 1_000)
        return seconds() - began

    assert run(story()) == pytest.approx(10)
    assert server.holder == "us"


@pytest.mark.parametrize(
    ("holder", "why"), [("them", "held by them"), ("", "held by nobody")]
)
def test_what_somebody_took_is_lost_and_not_released(holder: str, why: str) -> None:
    server = Server()

    async def story() -> float:
        lease = await acquired(server)
        server.store({**HELD, "holderIdentity": holder})
        began = seconds()
        with pytest.raises(LeaseLost, match=why):
            await held_for(lease, 1_000)
        return seconds() - began

    assert run(story()) <= 4
    assert server.holder == holder


def test_what_was_lost_in_an_outage_is_held_again_after_it() -> None:
    server = Server()

    async def story() -> float:
        lease = await acquired(server)
        server.down = True
        with pytest.raises(LeaseLost):
            await held_for(lease, 1_000)
        assert not lease.is_held
        began = seconds()
        asyncio.get_running_loop().call_later(100, setattr, server, "down", False)  # noqa: FBT003
        assert await lease.acquire(asyncio.Event())
        assert lease.is_held
        return seconds() - began

    assert 100 <= run(story()) <= 103


def test_what_somebody_took_is_waited_for_and_held_again() -> None:
    server = Server()

    async def story() -> float:
        lease = await acquired(server)
        server.store(HELD)
        with pytest.raises(LeaseLost):
            await held_for(lease, 1_000)
        began = seconds()
        assert await lease.acquire(asyncio.Event())
        return seconds() - began

    assert 14 <= run(story()) <= 15


def test_work_is_cancelled_when_the_lease_is_lost() -> None:
    server = Server()
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def story() -> None:
        lease = await acquired(server)
        server.down = True
        with pytest.raises(LeaseLost):
            async with lease.kept():
                await work()

    run(story())

    assert ended == ["cancelled"]


def test_a_fault_of_the_work_itself_is_not_a_lost_lease() -> None:
    async def story() -> None:
        lease = await acquired(Server())
        async with lease.kept():
            raise ValueError

    with pytest.raises(ExceptionGroup) as caught:
        run(story())

    assert caught.group_contains(ValueError)


def test_it_ends_well_where_it_cannot_let_go() -> None:
    server = Server()

    async def story() -> None:
        lease = await acquired(server)
        async with lease.kept():
            server.down = True

    run(story())

    assert server.holder == "us"


def test_what_is_not_known_to_be_ours_is_looked_at_before_it_is_let_go() -> None:
    server = Server()

    async def story() -> None:
        lease = await acquired(server)
        async with lease.kept():
            server.hangs = True
            await asyncio.sleep(4)
            server.hangs = False
            server.store(HELD)

    run(story())

    assert server.holder == "them"


def test_an_identity_is_new_each_time() -> None:
    assert len({new_identity() for _ in range(10)}) == 10
