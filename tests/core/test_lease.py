"""Who leads: a table, and two contenders that never both do."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaultferry.core.lease import (
    GIVE_UP_SECONDS,
    LEASE_SECONDS,
    POLL_SECONDS,
    RENEW_SECONDS,
    RETRY_SECONDS,
    Act,
    Outlook,
    Record,
    Wait,
    claimed,
    poll,
    released,
    step,
)

Body = dict[str, Any]

OURS, THEIRS = Record("us", "t1", 3, 15), Record("them", "t1", 3, 15)
NEVER = Outlook("us")
LEADING = NEVER.wrote(OURS, 100)
WAITING = NEVER.saw(THEIRS, 100)

STEPS: dict[str, tuple[Outlook, float, Act | Wait]] = {
    "there is no lease": (NEVER, 0, Act.ACQUIRE),
    "nobody holds it": (NEVER.saw(replace(THEIRS, holder=""), 100), 100, Act.ACQUIRE),
    "it names us, and we do not know why": (NEVER.saw(OURS, 100), 100, Act.ACQUIRE),
    "somebody holds it": (WAITING, 100, Wait(POLL_SECONDS)),
    "it expires soon": (WAITING, 114, Wait(1)),
    "it expired": (WAITING, 115, Act.ACQUIRE),
    "its holder asks for longer": (
        NEVER.saw(replace(THEIRS, seconds=60), 100),
        159,
        Wait(1),
    ),
    "its holder asks for too short": (
        NEVER.saw(replace(THEIRS, seconds=1), 100),
        114,
        Wait(1),
    ),
    "we renewed": (LEADING, 100, Wait(RENEW_SECONDS)),
    "we renewed a while ago": (LEADING, 103, Wait(RENEW_SECONDS - 3)),
    "it is time to renew": (LEADING, 100 + RENEW_SECONDS, Act.RENEW),
    "we just failed to renew": (LEADING.failed(105), 105, Wait(RETRY_SECONDS)),
    "we failed to renew a moment ago": (LEADING.failed(105), 106, Act.RENEW),
    "we failed to the last": (LEADING.failed(109.75), 109.75, Wait(0.25)),
    "we could not renew for long": (LEADING, 110, Act.LOSE),
    "somebody took it": (LEADING.saw(THEIRS, 101), 101, Act.LOSE),
    "somebody released it for us": (
        LEADING.saw(replace(OURS, holder=""), 101),
        101,
        Act.LOSE,
    ),
    "somebody deleted it, and we lead": (LEADING.saw(None, 101), 104, Act.RENEW),
    "somebody deleted theirs": (WAITING.saw(None, 101), 115, Wait(1)),
    "somebody deleted theirs long ago": (WAITING.saw(None, 101), 116, Act.ACQUIRE),
    "it is deleted still": (WAITING.saw(None, 101).saw(None, 115), 116, Act.ACQUIRE),
    "we stood down, and it names us": (
        LEADING.stood_down().saw(OURS, 150),
        150,
        Act.ACQUIRE,
    ),
    "we stood down, and somebody took it": (
        LEADING.stood_down().saw(THEIRS, 150),
        150,
        Wait(POLL_SECONDS),
    ),
    "we stood down, and it is gone, perhaps from somebody else's hands": (
        LEADING.stood_down().saw(None, 150),
        164,
        Wait(1),
    ),
    "we stood down, and it is gone for long": (
        LEADING.stood_down().saw(None, 150),
        165,
        Act.ACQUIRE,
    ),
}


@pytest.mark.parametrize(("outlook", "now", "wanted"), STEPS.values(), ids=STEPS)
def test_what_is_known_tells_what_to_do(
    outlook: Outlook, now: float, wanted: Act | Wait
) -> None:
    assert step(outlook, now, chance=1.0) == wanted


@given(st.floats(0, 1))
def test_chance_spreads_by_a_tenth_and_never_delays(chance: float) -> None:
    due = step(LEADING, 100, chance)

    assert isinstance(due, Wait)
    assert 0.9 * RENEW_SECONDS <= due.seconds <= RENEW_SECONDS
    assert 0.9 * POLL_SECONDS <= poll(chance) <= POLL_SECONDS


def test_a_record_that_did_not_change_keeps_its_age() -> None:
    assert WAITING.saw(replace(THEIRS), 110).since == 100
    assert WAITING.saw(replace(THEIRS, renewed="t2"), 110).since == 110
    assert WAITING.saw(replace(THEIRS, transitions=4), 110).since == 110


@pytest.mark.parametrize(
    ("outlook", "now", "leads"),
    [
        (NEVER, 0, False),
        (NEVER.saw(OURS, 0), 0, False),
        (LEADING, 109.9, True),
        (LEADING, 110, False),
        (LEADING.saw(THEIRS, 101), 101, False),
        (LEADING.stood_down(), 101, False),
    ],
)
def test_to_lead_takes_our_name_and_a_recent_renewal(
    outlook: Outlook, now: float, *, leads: bool
) -> None:
    assert outlook.leads(now) is leads


# What is written


@pytest.mark.parametrize("body", [{}, {"spec": None}, {"spec": {}}])
def test_a_lease_may_lack_every_field(body: Body) -> None:
    assert Record.parse(body) == Record("", "", 0, 0)


def test_a_lease_is_made_with_every_field() -> None:
    spec = claimed({}, "us", "now")

    assert spec == {
        "holderIdentity": "us",
        "leaseDurationSeconds": LEASE_SECONDS,
        "acquireTime": "now",
        "renewTime": "now",
        "leaseTransitions": 0,
    }
    assert Record.parse({"spec": spec}) == Record("us", "now", 0, LEASE_SECONDS)


def test_a_renewal_moves_one_field() -> None:
    before = claimed({}, "us", "then") | {"strategy": "kept"}

    assert claimed(before, "us", "now") == before | {"renewTime": "now"}


@pytest.mark.parametrize("transitions", [{"leaseTransitions": 0}, {}])
def test_a_takeover_counts(transitions: Body) -> None:
    spec = claimed({"holderIdentity": "them", **transitions}, "us", "now")

    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("us", 1)
    assert spec["acquireTime"] == "now"


def test_what_is_released_is_free_at_once_and_remembers_its_count() -> None:
    spec = released(claimed({"leaseTransitions": 4}, "us", "then"), "now")

    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("", 1)
    assert step(NEVER.saw(Record.parse({"spec": spec}), 0), 0, 1.0) is Act.ACQUIRE
    assert claimed(spec, "them", "later")["leaseTransitions"] == 6


# Two contenders


@dataclass
class Server:
    """A Lease as an API server keeps it, in the time that nobody knows."""

    spec: Body | None = None
    version: int = 0
    writes: int = 0

    def write(self, spec: Body, version: int) -> bool:
        if version != (self.version if self.spec else 0):
            return False
        self.writes += 1
        self.spec, self.version = copy.deepcopy(spec), self.writes
        return True

    def delete(self) -> None:
        self.spec = None


@dataclass
class Contender:
    """A replica whose every step takes as long as the test wants."""

    outlook: Outlook
    offset: float

    def leads(self, true_time: float) -> bool:
        return self.outlook.leads(true_time + self.offset)

    def lose(self) -> None:
        self.outlook = self.outlook.stood_down()


@dataclass(frozen=True)
class Turn:
    """What happens in one turn of a contender, and how long it takes."""

    pause: float
    travel: float
    back: float
    lost: bool
    unanswered: bool


PAUSES = st.one_of(st.just(0.0), st.floats(0, 3), st.floats(0, 40))
RARELY = st.sampled_from([False, False, False, True])
PROMPT = Turn(0, 0.01, 0.01, lost=False, unanswered=False)
AWAY = replace(PROMPT, pause=30.0)
SLOW = st.builds(
    Turn, pause=PAUSES, travel=PAUSES, back=PAUSES, lost=RARELY, unanswered=RARELY
)
TURNS = st.one_of(st.just(PROMPT), st.just(PROMPT), st.just(AWAY), SLOW)


class World:
    """Runs contenders turn by turn in the order of a true time."""

    def __init__(self, offsets: list[float]) -> None:
        self.server = Server()
        self.clock = 0.0
        self.contenders = [
            Contender(Outlook(f"replica-{n}"), offset)
            for n, offset in enumerate(offsets)
        ]
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.count = 0
        self.led: list[int] = []

    def at(self, when: float, do: Callable[[], None]) -> None:
        self.count += 1
        self.events.append((when, self.count, do))

    def run(self, turns: list[list[Turn]]) -> None:
        for contender, own in zip(self.contenders, turns, strict=True):
            self.at(0.0, lambda c=contender, t=list(own): self.look(c, t))  # type: ignore[misc]
        while self.events:
            self.events.sort()
            when, _, do = self.events.pop(0)
            self.check(when)
            self.clock = when
            do()
            self.check(when)

    def check(self, when: float) -> None:
        """Whoever leads at two moments in a row led between them."""
        for moment in (self.clock, when):
            leading = [n for n, c in enumerate(self.contenders) if c.leads(moment)]
            assert len(leading) < 2, f"both lead at {moment}"
            if leading != self.led[-1:]:
                self.led += leading

    def look(self, contender: Contender, turns: list[Turn]) -> None:
        """Send a GET; it is read at the server, and the answer comes, both later."""
        if not turns:
            return
        turn = turns.pop(0)
        own = self.clock + contender.offset

        if contender.outlook.renewed is not None:
            act = step(contender.outlook, own, 1.0)
            if act is Act.LOSE:
                contender.lose()
            if isinstance(act, Wait):
                self.at(
                    self.clock + act.seconds + turn.pause,
                    lambda: self.look(contender, turns),
                )
                return

        def read() -> None:
            spec, version = copy.deepcopy(self.server.spec), self.server.version
            self.at(
                self.clock + turn.back,
                lambda: self.decide(contender, turns, turn, spec, version),
            )

        self.at(self.clock + turn.travel, read)

    def decide(
        self,
        contender: Contender,
        turns: list[Turn],
        turn: Turn,
        spec: Body | None,
        version: int,
    ) -> None:
        sent = self.clock + contender.offset
        record = None if spec is None else Record.parse({"spec": spec})
        contender.outlook = contender.outlook.saw(record, sent)
        act = step(contender.outlook, sent, 1.0)
        if act is Act.LOSE:
            contender.lose()
            self.at(self.clock, lambda: self.look(contender, turns))
            return
        if isinstance(act, Wait):
            self.at(self.clock + act.seconds, lambda: self.look(contender, turns))
            return
        wanted = claimed(spec or {}, contender.outlook.identity, f"{sent}")
        base = version if spec is not None else 0

        def arrive() -> None:
            accepted = not turn.lost and self.server.write(wanted, base)

            def answer() -> None:
                if accepted and not turn.unanswered:
                    contender.outlook = contender.outlook.wrote(
                        Record.parse({"spec": wanted}), sent
                    )
                else:
                    own = self.clock + contender.offset
                    contender.outlook = contender.outlook.failed(own)
                self.at(self.clock + RETRY_SECONDS, lambda: self.look(contender, turns))

            self.at(self.clock + turn.back, answer)

        self.at(self.clock + turn.travel, arrive)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-1e5, 1e5), min_size=2, max_size=2),
    st.lists(st.lists(TURNS, min_size=10, max_size=20), min_size=2, max_size=2),
    st.none() | st.floats(20, 200),
)
def test_two_contenders_never_both_lead_whatever_the_delays(
    offsets: list[float], turns: list[list[Turn]], deleted: float | None
) -> None:
    world = World(offsets)
    if deleted is not None:
        world.at(deleted, lambda: delete_where_both_know(world))

    world.run(turns)


def delete_where_both_know(world: World) -> None:
    """Delete the lease; a replica that never saw it cannot know that it is held.

    Nor can one whose slow look missed that it was there between two deletions.
    """
    if all(c.outlook.record is not None for c in world.contenders):
        world.server.delete()


def test_in_such_a_world_one_leads_and_then_the_other() -> None:
    world = World([0.0, 1e4])

    world.run([[PROMPT, AWAY, PROMPT], [PROMPT] * 20])

    assert world.led == [0, 1]
    assert GIVE_UP_SECONDS < LEASE_SECONDS


def test_in_such_a_world_who_lost_it_waits_and_leads_again() -> None:
    world = World([0.0, 1e4])

    world.run([[PROMPT, AWAY, *[PROMPT] * 40], [*[PROMPT] * 12, AWAY, AWAY, AWAY]])

    assert world.led == [0, 1, 0]
