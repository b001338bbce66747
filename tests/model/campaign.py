"""A run: many worlds side by side, one operator, and somebody who disturbs it."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import aiohttp

from tests.controlplane import ControlPlane
from tests.e2e.crowd import crowd
from tests.keyrings import keyring, root_key
from tests.model import sharing
from tests.model.administrator import Administrator
from tests.model.director import DISTURBANCES, Director
from tests.model.generator import KINDS
from tests.model.history import Violation
from tests.model.observer import Observer
from tests.model.waiting import until
from tests.model.world import Conditions, World

ROOTS = {"one": root_key(1), "two": root_key(2)}
RINGS = {"one": keyring(1), "two": keyring(2)}

_QUIET_SECONDS = 1.0
_MUCH = 20
"""How many times more than asked for may be done, until each kind was there."""

_KEY_SECONDS = 4.0
_KEY_ORDERS = (("two", "one"), ("one",), ("two",))

OF_OPERATORS = (*DISTURBANCES, "other keys", "nothing")
OF_OBJECTS = (*KINDS, *sharing.KINDS, "lose namespace", "fight")


class Void(Exception):
    """A run that proves nothing: it did too little."""


@dataclass(frozen=True)
class Plan:
    """How long, how wide and how rough a run is."""

    seed: int
    operations: int
    """The least number of them."""

    worlds: int = 16
    pause: float = 8.0
    """Seconds between disturbances of the operator."""

    patience: float = 120.0
    """For how many seconds an operator at work may take until all is right."""

    disturbances: tuple[str, ...] = OF_OPERATORS
    """What happens to operators meanwhile, each as often as the others."""

    environ: Mapping[str, str] = field(default_factory=dict)
    """For the operator; the seeded bugs come in by PYTHONPATH."""

    thorough: bool = True
    """Whether to go on until each kind of operation was there."""


@dataclass(frozen=True)
class Report:
    """What a run did."""

    plan: Plan
    counted: Counter[str]
    refused: int
    seconds: float

    @property
    def operations(self) -> int:
        """The operations on objects and operators, without those that were refused."""
        return self.counted.total()

    def __str__(self) -> str:
        """Show the figures."""
        rate = self.operations / self.seconds
        kinds = ", ".join(f"{k} {n}" for k, n in sorted(self.counted.items()))
        return (
            f"seed {self.plan.seed}: {self.operations} operations in "
            f"{self.seconds:.0f} s, {rate:.1f}/s; {self.refused} more were refused\n"
            f"{kinds}"
        )


class Found(Exception):
    """The model was violated: after how many operations, and how."""

    def __init__(self, report: Report, violation: Violation) -> None:
        super().__init__(f"{violation}\n{report}")
        self.report = report


def run(plane: ControlPlane, folder: Path, plan: Plan) -> Report:
    """Run until there were enough operations.

    Raises:
        Found: something was not as the model says.
        Void: too little was done.
    """
    return asyncio.run(_Campaign(plane, folder, plan).run())


class _Campaign:
    def __init__(self, plane: ControlPlane, folder: Path, plan: Plan) -> None:
        self._plane = plane
        self._plan = plan
        self._random = Random(f"{plan.seed}/director")
        self._conditions = Conditions(tuple(ROOTS), plan.patience)
        self._director = Director(plane, folder, ROOTS, self._conditions, plan.environ)
        self._worlds: list[World] = []
        self._open = asyncio.Event()
        self._parked = 0
        self._ended = False
        self._began = time.monotonic()

    async def run(self) -> Report:
        """Run until there were enough operations."""
        async with crowd(self._plane) as admins:
            try:
                await self._run(admins.session)
            except* Violation as group:
                violation = group.exceptions[0]
                while isinstance(violation, ExceptionGroup):
                    violation = violation.exceptions[0]
                assert isinstance(violation, Violation)
                raise Found(self._report(), violation) from None
            finally:
                with suppress(Violation):
                    await self._director.stop_all()
        self._check_void()
        return self._report()

    async def _run(self, session: aiohttp.ClientSession) -> None:
        observer = Observer(session)
        administrator = Administrator(session, observer)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(observer.run())
            await observer.watching()
            await self._director.start()
            await self._begin(administrator)
            self._began = time.monotonic()
            self._open.set()
            walks = [group.create_task(self._walk(world)) for world in self._worlds]
            await self._direct(session)
            self._open.set()
            await asyncio.gather(*walks)
            watching.cancel()
        self._director.check()

    async def _begin(self, administrator: Administrator) -> None:
        run_ = f"{self._plan.seed}-{time.time_ns() % 10**6}"
        for number in range(self._plan.worlds):
            world = World(
                f"model-{run_}-{number}",
                f"{self._plan.seed}/{number}",
                RINGS,
                administrator,
                self._conditions,
            )
            await world.begin()
            self._worlds.append(world)

    async def _walk(self, world: World) -> None:
        while not self._ended:
            self._parked += 1
            # It may be closed again before this is awake.
            while not self._open.is_set():
                await self._open.wait()
            self._parked -= 1
            if not self._ended:
                await world.turn()

    async def _direct(self, session: aiohttp.ClientSession) -> None:
        """Disturb until there was enough; end with a look at a new operator."""
        kinds: list[str] = []
        all_ = self._plan.disturbances
        while not self._is_enough():
            await asyncio.sleep(self._plan.pause * self._random.uniform(0.5, 1.5))
            if not kinds:
                kinds = self._random.sample(all_, len(all_))
            await self._disturb(kinds.pop(), session)
        await self._pause()
        await self._do_nothing()
        self._ended = True

    async def _disturb(self, kind: str, session: aiohttp.ClientSession) -> None:
        if kind == "nothing":
            await self._pause()
            await self._do_nothing()
            self._open.set()
        elif kind == "other keys":
            await self._other_keys()
        else:
            await self._director.disturb(kind, self._random, session)

    async def _pause(self) -> None:
        """Have all worlds at rest."""
        self._open.clear()
        await until(lambda: self._parked == len(self._worlds))

    async def _do_nothing(self) -> None:
        """Start the operator anew, where everything is right: it must write nothing."""
        await self._director.have_keys(self._conditions.keys, self._listen)
        await asyncio.sleep(_QUIET_SECONDS)
        if noise := [each for world in self._worlds for each in world.noise]:
            raise Violation(f"written where nothing was to be done: {noise}")
        self._conditions.counted["nothing"] += 1

    def _listen(self) -> None:
        """Have what the last operator has written still not count."""
        for world in self._worlds:
            world.listen()

    async def _other_keys(self) -> None:
        """Have other root keys for a while, and then both again."""
        await self._pause()
        await self._have_keys(self._random.choice(_KEY_ORDERS))
        self._open.set()
        await asyncio.sleep(_KEY_SECONDS)
        await self._pause()
        await self._have_keys(self._random.sample(list(ROOTS), len(ROOTS)))
        self._open.set()
        self._conditions.counted["other keys"] += 1

    async def _have_keys(self, keys: tuple[str, ...] | list[str]) -> None:
        await self._director.have_keys(keys)
        await asyncio.gather(*(world.rest() for world in self._worlds))

    def _is_enough(self) -> bool:
        counted = self._conditions.counted
        if counted.total() < self._plan.operations:
            return False
        return (
            not self._plan.thorough
            or not self._missing()
            or counted.total() > _MUCH * self._plan.operations
        )

    def _missing(self) -> list[str]:
        kinds = (*self._plan.disturbances, *OF_OBJECTS)
        return [kind for kind in kinds if not self._conditions.counted[kind]]

    def _check_void(self) -> None:
        if self._plan.thorough and (missing := self._missing()):
            raise Void(f"never done: {', '.join(missing)}\n{self._report()}")

    def _report(self) -> Report:
        seconds = time.monotonic() - self._began
        counted, refused = self._conditions.counted, self._conditions.refused.total()
        return Report(self._plan, counted, refused, seconds)
