"""Stops, kills, starts, doubles and pauses operators while the worlds go on."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import aiohttp

from tests.controlplane import ControlPlane
from tests.e2e.operator import NAMESPACE, Operator
from tests.model.history import Violation
from tests.model.world import Conditions

_LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/vaultferry"
_BROKE = b'"event": "reconcile broke"'
_TAKEOVER_SECONDS = 60.0
_LATE_SECONDS = 1.0


class Director:
    """Has one operator lead, most of the time."""

    def __init__(
        self,
        plane: ControlPlane,
        folder: Path,
        roots: Mapping[str, str],
        conditions: Conditions,
        environ: Mapping[str, str],
    ) -> None:
        self._kubeconfig = plane.kubeconfig_for_service_account(NAMESPACE, "vaultferry")
        self._folder = folder
        self._roots = roots
        self._conditions = conditions
        self._environ = environ
        self._started = 0
        self._logs: list[Path] = []
        self._running: list[Operator] = []

    @property
    def leader(self) -> Operator:
        """The operator that leads, or will."""
        return self._running[0]

    async def start(self, *, ready: bool = True) -> None:
        """Start one operator more; where it is not to be ready, as a standby."""
        self._started += 1
        keys = ",".join(self._roots[key] for key in self._conditions.keys)
        operator = Operator(
            kubeconfig=self._kubeconfig,
            log=self._folder / f"operator-{self._started}.log",
            environ={**self._environ, "ENCRYPTION_KEY": keys},
            options=("--log-level", "debug"),
        )
        self._running.append(operator)
        self._logs.append(operator.log)
        await asyncio.to_thread(operator.start, ready=ready)

    async def stop(self) -> None:
        """Stop the leader as Kubernetes would."""
        await self._end(self._running.pop(0))

    async def stop_all(self) -> None:
        """Stop every operator."""
        while self._running:
            await self.stop()

    @asynccontextmanager
    async def disturbing(self) -> AsyncIterator[None]:
        """Have nobody expect anything meanwhile."""
        self._conditions.disturbed = True
        yield
        self._conditions.disturbed_until = time.monotonic()
        self._conditions.disturbed = False

    async def have_keys(
        self, keys: Sequence[str], between: Callable[[], object] = int
    ) -> None:
        """Start the operator anew, with other root keys, and act where none runs."""
        async with self.disturbing():
            await self.stop()
            await asyncio.sleep(_LATE_SECONDS)
            between()
            self._conditions.keys = tuple(keys)
            await self.start()

    async def disturb(
        self, kind: str, random: Random, session: aiohttp.ClientSession
    ) -> None:
        """Do one of the `DISTURBANCES`."""
        async with self.disturbing():
            await DISTURBANCES[kind](self, random, session)
        self._conditions.counted[kind] += 1

    async def restart(self, random: Random, _: aiohttp.ClientSession) -> None:
        """Stop it; start it a moment later."""
        await self.stop()
        await asyncio.sleep(random.uniform(0, 2))
        await self.start()

    async def kill(self, random: Random, session: aiohttp.ClientSession) -> None:
        """Kill it, and start it a moment later."""
        self._kill()
        await asyncio.sleep(random.uniform(0, 1))
        await _let_go(session)
        await self.start()

    async def hand_over(self, _: Random, __: aiohttp.ClientSession) -> None:
        """Have two, and stop the one that leads."""
        await self.start(ready=False)
        await self.stop()
        await self._leading()

    async def fail_over(self, _: Random, session: aiohttp.ClientSession) -> None:
        """Have two, and kill the one that leads."""
        await self.start(ready=False)
        self._kill()
        await _let_go(session)
        await self._leading()

    async def pause(self, random: Random, _: aiohttp.ClientSession) -> None:
        """Have it stand still for less than its lease lasts."""
        os.kill(self.leader.pid, signal.SIGSTOP)
        await asyncio.sleep(random.uniform(0.5, 4))
        os.kill(self.leader.pid, signal.SIGCONT)

    async def wake_late(self, _: Random, __: aiohttp.ClientSession) -> None:
        """Have it stand still until another leads, and go on then, and end."""
        await self.start(ready=False)
        late = self._running.pop(0)
        os.kill(late.pid, signal.SIGSTOP)
        try:
            await self._leading()
        finally:
            os.kill(late.pid, signal.SIGCONT)
        await asyncio.sleep(_LATE_SECONDS)
        await self._end(late)

    async def _end(self, operator: Operator) -> None:
        code = await asyncio.to_thread(operator.stop)
        if code != 0:
            raise Violation(f"the operator ended with {code}")

    def check(self) -> None:
        """Check that nothing unexpected happened in an operator.

        Raises:
            Violation: it did.
        """
        for log in self._logs:
            if _BROKE in log.read_bytes():
                raise Violation(f"an operator met what it did not expect: {log.name}")

    def _kill(self) -> None:
        operator = self._running.pop(0)
        os.kill(operator.pid, signal.SIGKILL)
        _wait(operator)

    async def _leading(self) -> None:
        deadline = time.monotonic() + _TAKEOVER_SECONDS
        while not await asyncio.to_thread(_leads, self.leader):
            if time.monotonic() > deadline:
                raise Violation("no operator takes the lease")
            await asyncio.sleep(0.1)


def _leads(operator: Operator) -> bool:
    return operator.is_ready() and operator.leads()


def _wait(operator: Operator) -> None:
    assert operator.process is not None
    operator.process.wait(_TAKEOVER_SECONDS)


async def _let_go(session: aiohttp.ClientSession) -> None:
    """Take away the lease of one that is dead, instead of waiting for 15 s."""
    async with session.delete(_LEASE) as answer:
        assert answer.ok


DISTURBANCES = {
    "restart": Director.restart,
    "kill": Director.kill,
    "hand over": Director.hand_over,
    "fail over": Director.fail_over,
    "pause": Director.pause,
    "wake late": Director.wake_late,
}
"""What can be done to operators at any time."""
