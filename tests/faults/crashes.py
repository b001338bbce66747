"""Lives through which the operator is killed and started again."""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from subprocess import TimeoutExpired

from benchmarks.client import Refused
from tests.e2e.operator import NAMESPACE, Operator
from tests.faults import faults
from tests.faults.asked import Asked, asking
from tests.faults.checks import Story, violations
from tests.faults.faults import When
from tests.faults.history import History
from tests.faults.lives import Course, Life
from tests.faults.lives import wait as wait_for
from tests.faults.proxy import Proxy
from tests.faults.record import Entry
from tests.faults.rules import Matches, Rule
from tests.faults.stage import Stage
from vaultferry.core.keyring import Keyring

_LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/vaultferry"
_DEATH_SECONDS = 30.0
# The operator may still do something that nobody has asked for.
_QUIET_SECONDS = 0.3
_WRITE_SECONDS = 1.0


@dataclass(frozen=True)
class Moment:
    """When the operator is killed."""

    number: int
    """At which of its requests, from 1, of those that count."""

    when: When
    counts: Matches

    def __str__(self) -> str:
        """Name it."""
        return f"{self.number} {self.when.value}"


@dataclass
class Trial:
    """A life through which the operator was killed."""

    name: str
    life: Life
    stage: Stage
    settled: int = 0
    """How many writes there were when all was right again."""

    owed: int = 0
    """How many are due later, see `Crashes._wait_for_status`."""


@dataclass
class Crashes:
    """Trials, one after the other, with one operator at a time."""

    operator: Operator
    proxy: Proxy
    history: History
    keyring: Keyring
    chance: random.Random
    name: str

    def __post_init__(self) -> None:
        self.trials: list[Trial] = []
        self.references: dict[str, Story] = {}
        self._count = 0
        self._gaps = self.history.gaps
        self._started = 0

    def reference(self, name: str, life: Life) -> list[Entry]:
        """Live a life without a crash; return what the operator asked for in it."""
        trial = self._prepared(name, life)
        since = len(self.proxy.record)
        self._settle([(trial, life.happens(trial.stage))])
        self.history.wait(lambda: False, _QUIET_SECONDS)
        self.references[name] = Story.of(trial.stage)
        return [*filter(counted(trial.stage), self.proxy.record[since:])]

    def crash(
        self, name: str, life: Life, number: int, when: When, *more: Moment
    ) -> int:
        """Kill the operator at a request in the namespace of a life that it follows.

        Args:
            name: of the life.
            life: what a person does.
            number: which request, from 1.
            when: at which moment of it.
            more: when it is killed again, each after one more start.

        Returns:
            How many of those deaths it died; the rest did not come about.
        """
        trial = self._prepared(name, life)
        first = Moment(number, when, counted(trial.stage))
        trial.name = f"{name} {', '.join(map(str, [first, *more]))}"
        rule = self._killing(first)
        with self.proxy.doing(rule):
            course = life.happens(trial.stage)
            died = int(self._dies_unless(course.is_right))
        if died:
            later = [replace(each, counts=work(trial.stage)) for each in more]
            died += self._killed_again(later, course.is_right)
        self._settle([(trial, course)])
        return died

    def crash_at_start(self, lives: Mapping[str, Life], *moments: Moment) -> int:
        """Kill the operator while it finds what was done when it was down.

        Returns:
            How many of those deaths it died.
        """
        trials = [self._prepared(name, life) for name, life in lives.items()]
        self._kill()
        acts = [(trial, trial.life.happens(trial.stage)) for trial in trials]
        for trial in trials:
            trial.name += f" at start, {', '.join(map(str, moments))}"
        died = self._killed_again(
            moments, lambda: all(course.is_right() for _, course in acts)
        )
        self._settle(acts)
        return died

    def verdict(self, rest: float) -> list[str]:
        """Rest for some seconds, and return what was wrong in any trial."""
        self.history.wait(lambda: False, rest)
        assert self.history.gaps == self._gaps, "the observer may have missed something"
        return [f"{t.name}: {what}" for t in self.trials for what in self._wrong(t)]

    def leave(self) -> None:
        """Delete the namespaces."""
        for trial in self.trials:
            trial.stage.leave()

    def _wrong(self, trial: Trial) -> Iterable[str]:
        story = Story.of(trial.stage)
        name = trial.name.partition(" ")[0]
        yield from violations(trial.life, story, self.references[name])
        more = story.writes - trial.settled
        if more > trial.owed:
            yield f"{more} more writes at rest"

    def _prepared(self, name: str, life: Life) -> Trial:
        self._start()
        self._count += 1
        stage = Stage(f"{self.name}-{self._count}", self.keyring, self.history)
        trial = Trial(name, life, stage)
        self.trials.append(trial)
        life.prepare(stage)
        return trial

    def _settle(self, acts: Sequence[tuple[Trial, Course]]) -> None:
        self._start()
        for trial, course in acts:
            wait_for(trial.stage, course.is_right)
            self._wait_for_status(course)
            trial.settled = Story.of(trial.stage).writes
            trial.owed = int(not course.is_done())

    def _wait_for_status(self, course: Course) -> None:
        """Wait until the status is written, or seen to need no write.

        A Secret that was repaired just before a crash is looked at and found right. Of
        which version it is the status is told later, if the process lives so long.
        """
        deadline = time.monotonic() + _DEATH_SECONDS
        while not self.history.wait(course.is_done, _QUIET_SECONDS):
            if self._was_read(course.stage):
                self.history.wait(course.is_done, _WRITE_SECONDS)
                return
            assert time.monotonic() < deadline, f"{course.stage.namespace}: no status"

    def _was_read(self, stage: Stage) -> bool:
        """Tell whether the present process has looked at the Secret."""
        reads = asking("get", "secrets", stage.namespace)
        return any(map(reads, self.proxy.record[self._started :]))

    def _killed_again(self, moments: Iterable[Moment], done: Callable[[], bool]) -> int:
        died = 0
        for moment in moments:
            with self.proxy.doing(self._killing(moment)):
                self._start()
                if not self._dies_unless(done):
                    return died
            died += 1
        return died

    def _killing(self, moment: Moment) -> Rule:
        return Rule(
            name=f"kill -9, {moment.when.value}",
            fault=faults.killed(self._signal, moment.when, self.chance),
            matches=moment.counts,
            skip=moment.number - 1,
            times=1,
        )

    def _start(self) -> None:
        if self.operator.process is None:
            self._started = len(self.proxy.record)
            self.operator.start(ready=False)

    def _signal(self) -> None:
        if self.operator.process is not None:
            self.operator.process.kill()

    def _kill(self) -> None:
        self._signal()
        assert self._dies(_DEATH_SECONDS)

    def _dies_unless(self, done: Callable[[], bool]) -> bool:
        """Wait until it dies, or has been at work and done for a moment; tell which."""
        deadline = time.monotonic() + _DEATH_SECONDS
        while not self._dies(_QUIET_SECONDS):
            if self._watches() and self.history.wait(done, 0):
                return self._dies(_WRITE_SECONDS)
            assert time.monotonic() < deadline, "it neither died nor was done"
        return True

    def _watches(self) -> bool:
        """Tell whether the present process has made its last step of a start."""
        watch = asking("watch", "vaultsecrets")
        return any(map(watch, self.proxy.record[self._started :]))

    def _dies(self, seconds: float) -> bool:
        assert self.operator.process is not None
        try:
            self.operator.process.wait(seconds)
        except TimeoutExpired:
            return False
        self.operator.process = None
        # Else the next one would wait 15 s for the lease of the dead: that is tested in
        # tests/e2e/test_failover.py, and what is done here is done by an administrator.
        with suppress(Refused):  # it was killed before there was one
            self.history.delete(_LEASE)
        return True


def counted(stage: Stage) -> Matches:
    """Count what is asked for in the namespace of a stage."""
    return asking(namespace=stage.namespace)


def work(stage: Stage) -> Matches:
    """Count what is asked for at a start and in the namespace of a stage.

    Not what earlier lives left to do: each would add to what the next has to count.
    """
    own = counted(stage)
    return lambda entry: at_start(entry) or own(entry)


def at_start(entry: Entry) -> bool:
    """Count what is asked for once for all: discovery, lists and watches."""
    return Asked.of(entry).namespace == ""
