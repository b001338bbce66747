"""Holds the Lease of the cluster, so that of all replicas one reconciles."""

import asyncio
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from vaultferry.cluster import Cluster
from vaultferry.core import lease
from vaultferry.core.answers import Absent, Expired, Stale
from vaultferry.core.errors import Failure
from vaultferry.core.lease import Act, Outlook, Record, Wait
from vaultferry.operator.stopping import pause

log = structlog.get_logger()

_CALL_SECONDS = 3.0
_FAULTS = (Absent, Expired, Failure, Stale, TimeoutError)

Body = Mapping[str, Any]


class LeaseLost(Exception):
    """Somebody else leads, or may: what was begun must not go on."""


def new_identity() -> str:
    """Return a name for this process, different after every start."""
    return f"{socket.gethostname()}_{secrets.token_hex(4)}"


@dataclass
class Lease:
    """The Lease of one cluster, as one replica sees and holds it."""

    cluster: Cluster
    namespace: str
    identity: str
    clock: Callable[[], float]
    """Seconds that count sleep as well."""

    chance: Callable[[], float]
    """A random number from 0 to 1."""

    failed: Callable[[str], None]
    """Is told the reason of each call that failed."""

    is_known: bool = False
    """Whether the API server once told how the lease stands."""

    _body: Body | None = None
    _is_current: bool = False
    _said: str = ""
    _outlook: Outlook = field(init=False)

    def __post_init__(self) -> None:
        """Know nothing yet."""
        self._outlook = Outlook(self.identity)

    @property
    def is_held(self) -> bool:
        """Whether we lead."""
        return self._outlook.leads(self.clock())

    async def acquire(self, stop: asyncio.Event) -> bool:
        """Wait until we lead; return whether we do, rather than were told to stop."""
        self._outlook = self._outlook.stood_down()
        while not stop.is_set():
            self._is_current = False
            await self._attempt(_CALL_SECONDS)
            if self.is_held:
                log.info("leading", holder=self._outlook.identity)
                return True
            await pause(stop, self._wait())
        return False

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep renewing until left, then release.

        Raises:
            LeaseLost: it could not be renewed in time; what ran inside was cancelled.
        """
        lost = ""
        try:
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renew())
                yield
                renewing.cancel()
        except* LeaseLost as group_of_one:
            lost = str(group_of_one.exceptions[0])
        if lost:
            raise LeaseLost(lost)
        await self._release()

    async def _renew(self) -> None:
        while True:
            match self._step():
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                case Act.LOSE:
                    raise LeaseLost(self._why_lost())
                case _:
                    remaining = self._outlook.remaining(self.clock())
                    await self._attempt(min(_CALL_SECONDS, remaining))

    async def _attempt(self, seconds: float) -> None:
        """Look where it is not known how the lease stands; write where it is due."""
        try:
            async with asyncio.timeout(seconds):
                if not self._is_current:
                    await self._look()
                if self._step() in (Act.ACQUIRE, Act.RENEW):
                    await self._claim()
        except _FAULTS as error:
            self._outlook = self._outlook.failed(self.clock())
            self.failed(type(error).__name__)
            self._say("lease not reached", reason=type(error).__name__)

    async def _look(self) -> None:
        try:
            self._body = await self.cluster.get_lease(self.namespace)
        except Absent:
            self._body = None
        record = None if self._body is None else Record.parse(self._body)
        self._outlook = self._outlook.saw(record, self.clock())
        self._is_current = self.is_known = True
        if record and self._outlook.is_waiting:
            self._say("waiting for the lease", holder=record.holder)

    async def _claim(self) -> None:
        spec = (self._body or {}).get("spec") or {}
        await self._write(lease.claimed(spec, self._outlook.identity, _wall_clock()))

    async def _write(self, spec: Body) -> None:
        """Write the lease as it was last seen with another spec."""
        # Until there is an answer it is unknown whether this was accepted.
        self._is_current = False
        sent = self.clock()
        if self._body is None:
            body = await self.cluster.create_lease(self.namespace, spec)
        else:
            body = await self.cluster.update_lease(
                self.namespace, {**self._body, "spec": spec}
            )
        self._body, self._is_current, self._said = body, True, ""
        self._outlook = self._outlook.wrote(Record.parse(body), sent)

    async def _release(self) -> None:
        """Let others have it at once; if that fails, they wait until it expires."""
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                if not self._is_current:
                    await self._look()
                if self._body is not None and self._outlook.is_ours:
                    spec = self._body.get("spec") or {}
                    await self._write(lease.released(spec, _wall_clock()))
        except _FAULTS as error:
            self._say("lease not released", reason=type(error).__name__)

    def _step(self) -> Act | Wait:
        return lease.step(self._outlook, self.clock(), self.chance())

    def _wait(self) -> float:
        """Return the seconds to the next look, where the last did not end in a hold."""
        due = self._step()
        return due.seconds if isinstance(due, Wait) else lease.poll(self.chance())

    def _why_lost(self) -> str:
        record = self._outlook.record
        if record is None or self._outlook.is_ours:
            return "it could not be renewed in time"
        return f"held by {record.holder or 'nobody'}"

    def _say(self, text: str, **fields: str) -> None:
        """Log what is new."""
        said = f"{text} {fields}"
        if said != self._said:
            level = logging.WARNING if "reason" in fields else logging.INFO
            log.log(level, text, **fields)
        self._said = said


def _wall_clock() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
