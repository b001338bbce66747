"""The operator is killed at every request of a life, and started again."""

import os
import random
import secrets
import time
from collections.abc import Iterator
from itertools import count, product

import pytest

from tests.e2e.operator import Operator
from tests.faults.asked import Asked, not_leading
from tests.faults.crashes import Crashes, Moment, at_start
from tests.faults.faults import When
from tests.faults.history import History
from tests.faults.lives import LIVES
from tests.faults.proxy import Proxy
from tests.faults.seeds import chance
from vaultferry.core.keyring import Keyring

REST_SECONDS = 5
SEEDED_TRIALS = 200
LONGEST_START = 14

campaign = pytest.mark.skipif(
    "CAMPAIGN" not in os.environ, reason="takes long: make campaign"
)


@pytest.fixture
def crashes(
    operator: Operator,
    proxy: Proxy,
    history: History,
    keyring: Keyring,
) -> Iterator[Crashes]:
    name = f"crash-{secrets.token_hex(3)}"
    made = Crashes(operator, proxy, history, keyring, chance(), name)
    began = time.monotonic()
    yield made
    took = time.monotonic() - began
    print(f"{len(made.trials)} lives in {took:.0f} s")
    made.leave()


@pytest.mark.parametrize("name", LIVES)
def test_whatever_request_it_is_killed_at_all_is_as_without_a_crash(
    name: str, crashes: Crashes
) -> None:
    asked = crashes.reference(name, LIVES[name])

    print(f"{name}: {', '.join(str(Asked.of(entry)) for entry in asked)}")
    deaths = sum(
        crashes.crash(name, LIVES[name], number, when)
        for number, when in product(range(1, len(asked) + 1), When)
    )

    # Which of two watches tells first may cost a read, in one life and not in another.
    assert deaths >= len(When) * LIVES[name].requests
    assert crashes.verdict(REST_SECONDS) == []


def test_whatever_request_of_its_start_it_is_killed_at_it_finds_what_was_missed(
    crashes: Crashes,
) -> None:
    for name, life in LIVES.items():
        crashes.reference(name, life)

    numbers = []
    for when in When:
        for number in count(1):
            if not crashes.crash_at_start(LIVES, Moment(number, when, at_start)):
                break
            numbers.append(number)

    print(f"killed at start at requests {numbers}")
    assert len(numbers) >= 3 * 5
    assert crashes.verdict(REST_SECONDS) == []


@campaign
@pytest.mark.parametrize("name", LIVES)
def test_whatever_request_of_its_start_it_is_killed_at_it_finds_one_life(
    name: str, crashes: Crashes
) -> None:
    asked = crashes.reference(name, LIVES[name])
    life = {name: LIVES[name]}

    deaths = 0
    for when in When:
        for number in count(1):
            if not crashes.crash_at_start(life, Moment(number, when, at_start)):
                break
            deaths += 1

    print(f"{name}: killed {deaths} times, {len(asked)} requests in its life")
    assert deaths > 3 * 5
    assert crashes.verdict(REST_SECONDS) == []


@campaign
@pytest.mark.parametrize("name", LIVES)
def test_whatever_two_requests_it_is_killed_at_all_is_as_without_a_crash(
    name: str, crashes: Crashes
) -> None:
    asked = crashes.reference(name, LIVES[name])

    pairs = 0
    for number, when, again in product(range(1, len(asked) + 1), When, When):
        for second in count(1):
            more = Moment(second, again, not_leading)
            if crashes.crash(name, LIVES[name], number, when, more) < 2:
                break
            pairs += 1

    print(f"{name}: killed twice {pairs} times")
    assert crashes.verdict(REST_SECONDS) == []


@campaign
def test_however_often_it_is_killed_by_chance_all_is_as_without_a_crash(
    crashes: Crashes,
) -> None:
    for name, life in LIVES.items():
        crashes.reference(name, life)

    deaths = 0
    for _ in range(SEEDED_TRIALS):
        moments = by_chance(crashes.chance)
        names = crashes.chance.sample(sorted(LIVES), crashes.chance.randint(1, 3))
        deaths += crashes.crash_at_start({n: LIVES[n] for n in names}, *moments)

    print(f"{deaths} deaths in {SEEDED_TRIALS} trials")
    assert deaths > SEEDED_TRIALS
    assert crashes.verdict(REST_SECONDS) == []


def by_chance(chance: random.Random) -> list[Moment]:
    return [
        Moment(chance.randint(1, LONGEST_START), chance.choice([*When]), not_leading)
        for _ in range(chance.randint(1, 4))
    ]
