"""Walks one namespace: a burst of operations, then rest, then a look; and again."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, permutations, product
from random import Random
from typing import Any

from tests.model import picture
from tests.model.administrator import Administrator
from tests.model.generator import KINDS, Plot
from tests.model.history import History, SharedHistory, Violation
from tests.model.items import Keys
from tests.model.model import Declared, Resource, State, Status, reachable, settled
from tests.model.observer import Scene
from tests.model.operations import Operation, edit_data
from tests.model.picture import Picture
from tests.model.sharing import SharedPlot
from tests.model.waiting import POLL_SECONDS, until
from vaultferry.core.keyring import Keyring

TARGETS = ("alpha", "beta")
SHARED = "shared"

_MERGING = 2
"""How many may merge into one Secret."""

_LONGEST_BURST = 5
_ELSEWHERE = 0.3
_STAYS_SECONDS = 0.25
_TRIES = 4
_LAG_SECONDS = 3.0
_LATE_SECONDS = 20.0
_REMEMBERED = 30


@dataclass
class Conditions:
    """What all worlds live under; the director changes it."""

    keys: Keys
    """The root keys that the operator has, newest first."""

    patience: float
    """For how many seconds an operator at work may take until all is right."""

    disturbed: bool = False
    """Whether no operator may be at work just now."""

    disturbed_until: float = 0.0
    """When that was over, on the monotonic clock."""

    counted: Counter[str] = field(default_factory=Counter)
    """The operations so far, by kind."""

    refused: Counter[str] = field(default_factory=Counter)
    """Those that the API server refused, as of a Secret that was not there."""

    def is_disturbed(self, since: float) -> bool:
        """Tell whether an operator was stopped, or started, since then."""
        return self.disturbed or self.disturbed_until > since

    def waited(self, since: float) -> float:
        """Return for how long an operator could have done what it has to."""
        began = max(since, self.disturbed_until)
        return 0.0 if self.disturbed else time.monotonic() - began


@dataclass
class Field:
    """One plot with what may be true of it, and what happened there."""

    plot: Plot
    history: History = field(init=False)
    states: set[State] = field(default_factory=lambda: {State()})
    lagging: set[Declared] = field(default_factory=set)
    """What an operator may still believe, and write a Secret for."""

    late: dict[Declared, float] = field(default_factory=dict)
    """Until when it may do so for what was deleted: no status tells that it ended."""

    left: dict[int, set[Status]] = field(default_factory=dict)
    """What counts of the status that each of those may have had at its end."""

    expected: dict[Picture, set[State]] = field(default_factory=dict)
    operations: int = 0
    """How many there were since the last rest."""

    causes: int = 0
    """What there was before that to write anything for."""

    def __post_init__(self) -> None:
        """Begin."""
        self.begin()

    @property
    def together(self) -> bool:
        """Whether VaultSecrets merge here."""
        return isinstance(self.plot, SharedPlot)

    def begin(self) -> None:
        """Begin in a namespace in which nothing is."""
        kind = SharedHistory if self.together else History
        self.history = kind(self.plot.namespace, self.plot.target)
        self.states, self.lagging = {State()}, set()
        self.late, self.left = {}, {}
        self.operations = 0

    def look(self, scene: Scene) -> Picture:
        """Return what is there."""
        return picture.of_scene(
            scene,
            self.plot.namespace,
            self.plot.target,
            self.history.born,
            together=self.together,
        )

    def declared(self) -> None:
        """Note what is declared now: an operator may believe in it for a while."""
        now = chain.from_iterable(state.resources for state in self.states)
        self.lagging |= {resource.declared for resource in now}

    def ended(self, before: Iterable[State]) -> None:
        """Note what may have been the status of those that are not there any more."""
        alive = self._alive()
        for resource in chain.from_iterable(state.resources for state in before):
            if resource.declared.born not in alive:
                last = resource.status
                counts = Status(version=last.version, print=last.print)
                self.left.setdefault(resource.declared.born, set()).add(counts)

    def believed(self) -> set[Resource]:
        """Return what an operator may believe to be declared."""
        now = time.monotonic()
        late = {each for each, end in self.late.items() if end > now}
        return {
            Resource(each, status)
            for each in self.lagging | late
            for status in self.left.get(each.born, {Status()})
        }

    def rested(self) -> None:
        """Note that everything came to rest; what is still there was seen to do so."""
        alive = self._alive()
        end = time.monotonic() + _LATE_SECONDS
        self.late = {e: t for e, t in self.late.items() if t > time.monotonic()}
        self.late |= {e: end for e in self.lagging if e.born not in alive}
        late = {each.born for each in self.late}
        self.left = {born: each for born, each in self.left.items() if born in late}
        self.lagging = set()
        self.plot.rested()

    def _alive(self) -> set[int]:
        there = chain.from_iterable(state.resources for state in self.states)
        return {resource.declared.born for resource in there}


class World:
    """One namespace."""

    def __init__(
        self,
        name: str,
        seed: str,
        rings: Mapping[str, Keyring],
        administrator: Administrator,
        conditions: Conditions,
    ) -> None:
        self._name = name
        self._random = Random(seed)
        self._administrator = administrator
        self._conditions = conditions
        self._done: deque[str] = deque(maxlen=_REMEMBERED)
        self._rested = 0.0
        self._since = 0
        self._heard = 0
        plots = [
            Plot(name, target, rings, Random(f"{seed}/{target}")) for target in TARGETS
        ]
        shared = SharedPlot(name, SHARED, rings, Random(f"{seed}/{SHARED}"))
        self._fields = [Field(plot) for plot in (*plots, shared)]

    @property
    def noise(self) -> list[str]:
        """What was written since `listen` that costs anything.

        Without what goes or is about to: that is the garbage collector's work, which
        may be late, and never the operator's.
        """
        later = self._scene.events[self._heard :]
        events = [e for e in later if e.version > self._since]
        histories = [each.history for each in self._fields]
        return [
            history.told(e)
            for e, history in product(events, histories)
            if history.is_about(e)
            and e.kind != "DELETED"
            and "deletionTimestamp" not in e.body["metadata"]
            and not history.is_late_note(e)
        ]

    @property
    def _scene(self) -> Scene:
        return self._administrator.observer.scenes[self._name]

    def listen(self) -> None:
        """Begin to take what is written for noise.

        What is deleted leaves no status to wait for: a write for it may be on its way
        as long as the operator runs that has read it.
        """
        self._heard = len(self._scene.events)

    async def begin(self) -> None:
        """Make the namespace."""
        self._since = await self._administrator.make_namespace(self._name)

    async def turn(self) -> None:
        """Do a burst of operations, and see what comes of it."""
        await self._told(self._turn())

    async def rest(self) -> None:
        """Wait until everything is as the model says, and see that it stays so."""
        await self._told(self._rest())

    async def _told(self, act: Coroutine[Any, Any, None]) -> None:
        """Do something; what is violated is told with what was done before.

        Raises:
            Violation: something is not as the model says.
        """
        try:
            await act
        except Violation as violation:
            lines = "\n  ".join(self._done)
            raise Violation(
                f"{violation}\nnamespace {self._name}, the last operations:\n  {lines}"
            ) from None

    async def _turn(self) -> None:
        chosen = self._random.random()
        if chosen < 0.01:
            await self._lose_namespace()
        elif chosen < 0.03:
            alone = [each for each in self._fields if not each.together]
            await self._fight(self._random.choice(alone))
        elif chosen < 0.08:
            alone = [each for each in self._fields if not each.together]
            await self._meet(self._random.choice(alone))
        else:
            each = self._random.choice(self._fields)
            for _ in range(self._random.randint(1, _LONGEST_BURST)):
                await self._one(each)
                # What comes right after another change of the same meets the operator.
                if self._random.random() < _ELSEWHERE:
                    each = self._random.choice(self._fields)
            await self._rest()

    async def _rest(self) -> None:
        keys = self._conditions.keys
        for each in self._fields:
            ends = settled(reachable(each.states, each.believed(), keys), keys)
            each.expected = {}
            for state in ends:
                each.expected.setdefault(picture.of_state(state), set()).add(state)
        await self._reach()
        for each in self._fields:
            each.states = each.expected[each.look(self._scene)]
            each.rested()

    async def _reach(self) -> None:
        tries = 0
        while tries < _TRIES:
            since = time.monotonic()
            while not self._is_expected():
                self._check_time(since)
                await asyncio.sleep(POLL_SECONDS)
            if await self._stays():
                self._check_history()
                self._check_writes()
                self._done.append("-- rest")
                return
            # Whoever takes over begins with a look at what is not Ready.
            tries = 0 if self._conditions.is_disturbed(since) else tries + 1
        self._check_history()
        raise Violation("it does not come to rest")

    async def _stays(self) -> bool:
        """Tell whether nothing happens any more."""
        before = len(self._scene.events)
        await asyncio.sleep(_STAYS_SECONDS)
        return len(self._scene.events) == before and self._is_expected()

    def _is_expected(self) -> bool:
        return all(
            each.history.is_told(self._scene)
            and each.look(self._scene) in each.expected
            for each in self._fields
        )

    def _check_time(self, since: float) -> None:
        if self._conditions.waited(since) < self._conditions.patience:
            return
        self._check_history()
        told = []
        for each in self._fields:
            look = each.look(self._scene)
            if look not in each.expected:
                told.append(_nearest(each, look))
        raise Violation(f"not as it must be: {'; or '.join(chain(*told))}")

    def _check_history(self) -> None:
        # What is told late of the namespace that was lost is nobody's any more.
        events = [e for e in self._scene.take() if e.version > self._since]
        for event, each in product(events, self._fields):
            if each.history.is_about(event):
                each.history.check(event)

    def _check_writes(self) -> None:
        for each in self._fields:
            history = each.history
            # A new operator looks again at what is not right, and may have other keys.
            disturbed = self._conditions.is_disturbed(self._rested)
            now, before = each.operations + history.collected + disturbed, each.causes
            # What an operator finds out late has its cause in the burst before.
            each.causes, causes = now, now + before
            told = f"of Secret {each.plot.target} for {causes} causes"
            # A Secret that somebody makes is written by each who merges into it.
            if history.writes > causes * (_MERGING if each.together else 1):
                raise Violation(f"{history.writes} writes {told}")
            if history.reports > 2 * (causes + history.writes):
                raise Violation(f"{history.reports} writes of status {told}")
            history.writes = history.reports = 0
            history.collected = each.operations = 0
        self._rested = time.monotonic()

    async def _one(self, each: Field) -> None:
        operation = each.plot.draw()
        if operation.awaits:
            await self._rest()
        await self._do(each, operation)

    async def _do(self, each: Field, *operations: Operation) -> None:
        """Perform operations, all at once."""
        each.declared()
        before = reachable(each.states, each.believed(), self._conditions.keys)
        self._done.append(" beside ".join(f"{each}" for each in operations))
        accepted = await asyncio.gather(
            *(
                self._administrator.perform(
                    operation, self._name, each.history, each.plot
                )
                for operation in operations
            )
        )
        done = list(zip(operations, accepted, strict=True))
        each.states = set(
            chain.from_iterable(
                self._after(each, before, order) for order in permutations(done)
            )
        )
        refused = [f"{operation}" for operation, well in done if not well]
        self._done[-1] += f" (refused: {', '.join(refused)})" if refused else ""
        if not each.states:
            raise Violation(f"{self._done[-1]}: was not possible")
        each.ended(before)
        each.declared()
        each.states = reachable(each.states, each.believed(), self._conditions.keys)
        each.operations += len(operations)
        for operation, well in done:
            counted = self._conditions.counted if well else self._conditions.refused
            counted[operation.kind] += 1

    def _after(
        self, each: Field, states: set[State], order: Iterable[tuple[Operation, bool]]
    ) -> set[State]:
        """Return what may be after operations, of which some were accepted."""
        for operation, accepted in order:
            states = reachable(states, each.believed(), self._conditions.keys)
            after = {state: operation.effect(state) for state in states}
            states = {
                end or state
                for state, end in after.items()
                if (end is not None) == accepted
            }
        return states

    async def _meet(self, each: Field) -> None:
        """Change a VaultSecret and mark its Secret at the same time."""
        edit = KINDS["edit"][1](each.plot, "edit")
        mark = KINDS["mark Secret"][1](each.plot, "mark Secret")
        if edit is not None and mark is not None:
            await self._do(each, edit, mark)
            await self._rest()

    async def _fight(self, each: Field) -> None:
        """Undo what the operator writes until it says that it is Contended."""
        calm = each.plot.calm()
        if calm is None:
            return
        await self._do(each, calm)
        await self._rest()
        if _may_fight(each, self._conditions.keys):
            await self._fight_out(each)

    async def _fight_out(self, each: Field) -> None:
        began = time.monotonic()
        for number in range(3):
            await self._rest()
            edit = edit_data("fight", each.plot.target, "stray", f"fight {number}")
            await self._do(each, edit)
        await self._contended(each, began)
        calm = each.plot.calm()
        assert calm is not None
        await self._do(each, calm)
        await self._rest()

    async def _contended(self, each: Field, began: float) -> None:
        """Wait until it says so; another operator knows of no fight."""

        def is_told() -> bool:
            said = dict(each.look(self._scene).said)[each.plot.target]
            return said.reason == "Contended" or self._conditions.is_disturbed(began)

        patience = self._conditions.patience
        await until(is_told, patience, "three times undone, and not Contended")

    async def _lose_namespace(self) -> None:
        """Delete the namespace with whatever is going on in it, and make it again."""
        await self._administrator.lose_namespace(self._name)
        # Between its last look and its write, the operator cannot tell the next
        # namespace of that name from the last: only time can.
        await until(lambda: not self._conditions.disturbed)
        await asyncio.sleep(_LAG_SECONDS)
        await self.begin()
        for each in self._fields:
            each.plot.lost()
            each.begin()
        self._done.append("lose namespace")
        self._conditions.counted["lose namespace"] += 1


def _may_fight(each: Field, keys: Keys) -> bool:
    """Tell whether a VaultSecret keeps its Secret right just now."""
    draft = each.plot.drafts[each.plot.target].declared
    able = not draft.suspended and draft.keys <= set(keys)
    return able and all(
        state.secret is not None
        and not state.secret.immutable
        and (found := state.get(each.plot.target)) is not None
        and found.as_realised
        for state in each.states
    )


def _nearest(each: Field, look: Picture) -> list[str]:
    """Return what is missing to the expected picture that differs least."""
    found = [picture.differences(wanted, look) for wanted in each.expected]
    return min(found, key=len, default=["nothing can be right"])
