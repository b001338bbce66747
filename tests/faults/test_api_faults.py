"""What an API server may answer: the operator lives through it, and goes on after it.

With CAMPAIGN one process goes through all of it, and what lasts takes a minute. Else
each test has a process of its own, whose pauses after failures are the first ones, and
what lasts takes longer than a holder of the Lease waits before it gives up.
"""

import os
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.controlplane import ControlPlane
from tests.e2e.operator import Operator
from tests.e2e.tenant import eventually
from tests.faults import faults
from tests.faults.asked import Asked, asking
from tests.faults.exchange import Exchange
from tests.faults.faults import Doubled, Replay, Swapped
from tests.faults.history import History
from tests.faults.lives import Course, wait
from tests.faults.proxy import Proxy
from tests.faults.record import Entry
from tests.faults.rules import Fault, Rule
from tests.faults.stage import Stage, Values, data
from vaultferry.core.keyring import Keyring

CAMPAIGN = "CAMPAIGN" in os.environ
LASTS_SECONDS = 60 if CAMPAIGN else 12
HEALED_SECONDS = 90
# What is written for an event is written in less.
SETTLED_SECONDS = 3
# The longest silence that is taken for none, of a watch that has told nothing yet.
SILENT_SECONDS = 150

FIRST = {"username": "ferry", "password": "first"}
MEANWHILE = {"username": "ferry", "password": "meanwhile"}
LAST = {"username": "boat", "password": "last"}
BY_HAND = {"username": "boat", "password": "by hand"}

WATCHES = asking("watch")
RESOURCES = ("secrets", "vaultsecrets")
VAULTSECRETS = "/apis/vaultferry.dev/v1alpha1/vaultsecrets"


@dataclass
class Rig:
    """An operator behind a proxy, and a VaultSecret that it has realised."""

    operator: Operator
    proxy: Proxy
    stage: Stage

    def edit(self, values: Values) -> Course:
        """Change the VaultSecret."""
        return self._course(self.stage.update(values)["metadata"], values)

    def edit_by_hand(self) -> Course:
        """Change the Secret, which has to be changed back."""
        return self._course(self.stage.edit(BY_HAND)["metadata"], LAST)

    def strike(self, act: Callable[[Exchange], Awaitable[object]]) -> None:
        """Do something to both watches, once both are open."""
        eventually(self.is_watching)
        self.proxy.strike(WATCHES, act)

    def is_watching(self) -> bool:
        """Tell whether both watches are open."""
        seen: set[str] = set()

        async def look(exchange: Exchange) -> None:
            seen.add(Asked.of(exchange.entry).resource)

        self.proxy.strike(WATCHES, look)
        return seen >= {*RESOURCES}

    def _course(self, metadata: dict[str, str], values: Values) -> Course:
        return Course(self.stage, values, int(metadata["resourceVersion"]))


@pytest.fixture
def rig(
    operator: Operator, proxy: Proxy, history: History, keyring: Keyring
) -> Iterator[Rig]:
    stage = Stage(f"faults-{secrets.token_hex(3)}", keyring, history)
    if operator.process is None:
        operator.start()
    stage.build()
    made = Rig(operator, proxy, stage)
    created = stage.create(FIRST)
    revision = int(created["metadata"]["resourceVersion"])
    wait(stage, Course(stage, FIRST, revision).is_done)
    yield made
    stage.leave()
    if not CAMPAIGN:
        assert operator.stop() == 0


@contextmanager
def outlived(rig: Rig) -> Iterator[None]:
    """Change the VaultSecret meanwhile and afterwards; all of it has to arrive."""
    eventually(rig.is_watching)
    pid = rig.operator.pid
    yield
    meanwhile = rig.edit(MEANWHILE)
    assert_heals(rig, meanwhile, "edit")
    assert_heals(rig, rig.edit(LAST), "next edit")
    assert_heals(rig, rig.edit_by_hand(), "repair")
    assert rig.operator.process is not None
    assert rig.operator.process.poll() is None, "the operator ended"
    assert rig.operator.pid == pid
    assert_whole(rig.stage)


def assert_heals(rig: Rig, course: Course, what: str) -> None:
    began = time.monotonic()
    healed = rig.stage.history.wait(course.is_right, HEALED_SECONDS)
    print(f"{what}: {time.monotonic() - began:.1f} s")
    assert rig.operator.process is not None
    assert healed, f"{what}: not seen; exit code {rig.operator.process.poll()}"


def assert_whole(stage: Stage) -> None:
    versions = stage.secret()
    assert {v.kind for v in versions} <= {"ADDED", "MODIFIED"}
    held = [data(version) for version in versions]
    assert [
        each for each in held if each not in (FIRST, MEANWHILE, LAST, BY_HAND)
    ] == []
    assert len(versions) == 5


TOLD: dict[str, Fault] = {
    "ERROR event 410": faults.error(410),
    "ERROR event 429": faults.error(429),
    "ERROR event 500": faults.error(500),
    "truncated line": faults.told(b'{"type":"MODIFIED","object":{"kind"'),
    "HTML line": faults.told(b"<html><body>502 Bad Gateway</body></html>"),
    "half a line, then the end": faults.half,
}


@pytest.mark.parametrize("name", TOLD)
def test_what_a_watch_is_told_is_outlived(name: str, rig: Rig) -> None:
    with outlived(rig):
        rig.strike(TOLD[name])


def test_three_resets_in_a_row_are_outlived(rig: Rig) -> None:
    with outlived(rig):
        for _ in range(3):
            rig.strike(faults.broken)


REFUSED = {
    "HTTP 410 on the watch": ("watch", 410),
    "HTTP 404 on the watch": ("watch", 404),
    "HTTP 500 on the watch": ("watch", 500),
    "HTTP 410 on the list": ("list", 410),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_list_or_watch_that_is_refused_three_times_is_outlived(
    name: str, rig: Rig
) -> None:
    verb, code = REFUSED[name]
    rules = [
        Rule(name, faults.status(code), asking(verb, resource), times=3)
        for resource in RESOURCES
    ]

    with outlived(rig), rig.proxy.doing(*rules):
        # An ERROR event 410 has both listed again, a reset has them watched again.
        rig.strike(faults.error(410) if verb == "list" else faults.broken)
        eventually(lambda: rules[0].done == 3, HEALED_SECONDS)
        assert rules[1].done > 0


def everything(_: Entry) -> bool:
    return True


LASTING: dict[str, Fault] = {
    "HTTP 401": faults.status(401),
    "HTTP 403": faults.status(403),
    "HTTP 429 with Retry-After": faults.status(429, Retry_After="1"),
    "HTTP 500": faults.status(500),
    "HTTP 503": faults.status(503),
    "dropped answers": faults.dropped,
    "answers lost": faults.unanswered,
    "bodies cut": faults.cut(20),
}


@pytest.mark.parametrize("name", LASTING)
def test_what_every_request_meets_for_a_while_is_outlived(name: str, rig: Rig) -> None:
    rule = Rule(name, LASTING[name])

    with outlived(rig), rig.proxy.doing(rule):
        rig.strike(faults.broken)
        time.sleep(LASTS_SECONDS)
        assert rule.done > 0


def test_a_first_list_that_breaks_off_loses_nothing(
    rig: Rig, plane: ControlPlane
) -> None:
    # Told in the order of names: what was changed last comes first, so that the place
    # where it breaks off says nothing of what is older.
    older, newer = (
        Stage(f"{rig.stage.namespace}-{name}", rig.stage.keyring, rig.stage.history)
        for name in ("z", "a")
    )
    rig.operator.stop()
    courses = []
    for stage in (older, newer):
        stage.build()
        revision = int(stage.create(FIRST)["metadata"]["resourceVersion"])
        courses.append((stage, Course(stage, FIRST, revision)))
    half = len(plane.kubectl("get", "--raw", VAULTSECRETS)) // 2
    listed = Rule("cut", faults.cut(half), asking("list", "vaultsecrets"), times=1)
    streamed = Rule(
        "kept back",
        faults.withheld(lambda line: b"-z" in line),
        asking("watch", "vaultsecrets"),
        times=1,
    )

    with rig.proxy.doing(listed, streamed):
        rig.operator.start(ready=False)
        eventually(lambda: streamed.done == 1)
        wait(newer, courses[1][1].is_done)
        rig.proxy.strike(WATCHES, faults.broken)
        for stage, course in courses:
            wait(stage, course.is_done)
            stage.leave()


def test_slow_and_parted_answers_are_outlived(rig: Rig) -> None:
    parted = Rule("parted", faults.split(7), asking(resource="secrets"))
    slow = Rule("slow", faults.delayed(1))

    with rig.proxy.doing(parted, slow), outlived(rig):
        rig.strike(faults.broken)


def test_an_api_server_that_refuses_connections_for_a_while_is_outlived(
    rig: Rig,
) -> None:
    with outlived(rig), rig.proxy.refusing():
        time.sleep(LASTS_SECONDS)


def test_an_api_server_that_is_down_for_a_while_is_outlived(
    rig: Rig, plane: ControlPlane
) -> None:
    with outlived(rig):
        plane.stop_apiserver()
        time.sleep(LASTS_SECONDS)
        plane.start_apiserver()


def test_a_stale_list_is_outlived(rig: Rig) -> None:
    replay = Replay()
    reads = [
        Rule("stale read", replay, asking(verb, resource))
        for verb, resource in (("list", "secrets"), ("list", "vaultsecrets"))
    ]
    late = Stage(f"{rig.stage.namespace}-late", rig.stage.keyring, rig.stage.history)

    with rig.proxy.doing(*reads):
        rig.strike(faults.error(410))
        eventually(lambda: reads[0].done > 0)
        eventually(rig.is_watching)
        late.build()
        created = int(late.create(FIRST)["metadata"]["resourceVersion"])
        wait(late, Course(late, FIRST, created).is_done)
        with outlived(rig):
            replay.stale = True
            rig.strike(faults.error(410))
            eventually(lambda: replay.replayed > 0)

    assert [version.kind for version in late.secret()] == ["ADDED"]
    late.leave()


def test_a_change_that_was_undone_before_it_was_heard_of_reaches_no_secret(
    rig: Rig,
) -> None:
    rig.strike(faults.silence)

    rig.edit(MEANWHILE)
    undone = rig.edit(FIRST)
    # What is listed again is the present; what led to it is never heard of.
    rig.strike(faults.error(410))

    assert_heals(rig, undone, "edit")
    assert {data(v)["password"] for v in rig.stage.secret()} == {"first"}


def versions(stage: Stage) -> tuple[int, int]:
    """Return how many versions Secret and VaultSecret have had."""
    return len(stage.secret()), len(stage.vaultsecret())


@pytest.mark.parametrize("fault", [Doubled, Swapped])
def test_events_told_twice_or_the_other_way_round_cost_no_write(
    fault: type[Doubled | Swapped], rig: Rig
) -> None:
    other = Stage(f"{rig.stage.namespace}-2", rig.stage.keyring, rig.stage.history)
    other.build()
    created = int(other.create(FIRST)["metadata"]["resourceVersion"])
    wait(other, Course(other, FIRST, created).is_done)
    retold = fault()

    rig.strike(retold)
    edits = [rig.edit(MEANWHILE)]
    changed = int(other.update(MEANWHILE)["metadata"]["resourceVersion"])
    edits.append(Course(other, MEANWHILE, changed))
    for edit in edits:
        wait(edit.stage, edit.is_done)
    eventually(lambda: retold.done >= 2)
    time.sleep(SETTLED_SECONDS)

    # Created, realised, edited, realised: each a write of the one and of its status.
    assert [versions(stage) for stage in (rig.stage, other)] == [(2, 4), (2, 4)]
    assert_heals(rig, rig.edit(LAST), "next edit")
    assert_heals(rig, rig.edit_by_hand(), "repair")
    other.leave()


@pytest.mark.skipif(not CAMPAIGN, reason="takes minutes: make campaign")
def test_watches_that_go_silent_are_noticed(rig: Rig) -> None:
    pid = rig.operator.pid
    rig.strike(faults.silence)

    course = rig.edit(LAST)

    assert_heals(rig, course, "edit")
    repair = rig.edit_by_hand()
    began = time.monotonic()
    assert rig.stage.history.wait(repair.is_right, SILENT_SECONDS + HEALED_SECONDS)
    print(f"repair: {time.monotonic() - began:.1f} s")
    assert rig.operator.pid == pid
