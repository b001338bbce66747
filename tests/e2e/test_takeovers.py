"""Leaders end in every way while edits go on: who follows misses and undoes nothing."""

import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from tests.controlplane import ControlPlane, start
from tests.e2e.acts import fresh
from tests.e2e.load import Event, Load, loaded
from tests.e2e.operator import install
from tests.e2e.pair import Pair, paired
from tests.e2e.tenant import Tenant, eventually
from vaultferry.core.keyring import Keyring

CAMPAIGN = 50
OBJECTS = 20
# What is promised after the end of a leader.
SECONDS = {"killed": 20.0, "paused": 20.0, "stopped": 3.0}


def kill(pair: Pair, load: Load, chance: random.Random) -> float:
    """Have the leader end without a word."""
    del chance
    began = time.monotonic()
    assert pair.leader.process is not None
    pair.leader.process.kill()
    pair.leader.process.wait()
    pair.leader.process = None
    took = progress(load, began)
    pair.swap()
    return took


def pause(pair: Pair, load: Load, chance: random.Random) -> float:
    """Have the leader sleep, and wake as the late writer."""
    began = time.monotonic()
    process = pair.leader.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    time.sleep(chance.uniform(8.0, 18.0))
    if chance.random() < 0.5:
        progress(load, began)
    process.send_signal(signal.SIGCONT)
    took = progress(load, began)
    eventually(lambda: pair.leader.is_ready() and pair.other.is_ready())
    assert process.poll() is None
    return took


def stop(pair: Pair, load: Load, chance: random.Random) -> float:
    """Have the leader end as a rollout has it."""
    del chance
    assert pair.leader.stop() == 0
    took = progress(load, time.monotonic())
    pair.swap()
    return took


ACTS: Mapping[str, Callable[[Pair, Load, random.Random], float]] = {
    "killed": kill,
    "paused": pause,
    "stopped": stop,
}


def progress(load: Load, since: float) -> float:
    """Wait until an edit made since then is in its Secret; return how long it took."""
    eventually(lambda: load.first_of_later_edits(since) is not None)
    when = load.first_of_later_edits(since)
    assert when is not None
    return when - since


def settle(pair: Pair) -> None:
    """Wait until one leads and the other waits; tell which is which."""

    def settled() -> bool:
        return pair.leader.leads() != pair.other.leads()

    eventually(settled)
    if pair.other.leads():
        pair.leader, pair.other = pair.other, pair.leader
    eventually(lambda: pair.leader.is_ready() and pair.other.is_ready())


def plan(chance: random.Random) -> Sequence[str]:
    """Return what is to happen: each kind once, or a campaign."""
    if not os.environ.get("CAMPAIGN"):
        return chance.sample(list(ACTS), len(ACTS))
    kinds = list(ACTS) * (CAMPAIGN // len(ACTS) + 1)
    acts = kinds[:CAMPAIGN]
    chance.shuffle(acts)
    return acts


def kept_back(pair: Pair) -> float:
    return sum(
        each.metric("reconciles_total", result="NotLeading")
        for each in (pair.leader, pair.other)
    )


def ended(pair: Pair, load: Load, seed: int) -> dict[str, list[float]]:
    """Have leaders end, one after the other; return how long each was missed."""
    chance = random.Random(seed)
    took = defaultdict(list)
    for number, kind in enumerate(plan(chance)):
        settle(pair)
        took[kind].append(ACTS[kind](pair, load, chance))
        late = kept_back(pair)
        print(f"{number}: {kind}, {took[kind][-1]:.1f} s, kept back: {late:.0f}")
    settle(pair)
    return took


def test_whatever_ends_a_leader_nothing_is_missed_and_nothing_goes_back(
    own_control_plane: ControlPlane, root_key: str, keyring: Keyring, tmp_path: Path
) -> None:
    del own_control_plane  # another operator may lead there
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    print(f"SEED={seed}")
    with start() as plane:
        install(plane)
        with (
            fresh(plane, keyring) as tenant,
            paired(plane, tmp_path, root_key) as pair,
        ):
            with loaded(tenant, OBJECTS) as load:
                eventually(lambda: len(load.seen()) == OBJECTS)
                took = ended(pair, load, seed)
            assert load.failed is None
            eventually(lambda: is_all_told(tenant))
    for kind, seconds in took.items():
        print(
            f"{kind}: {len(seconds)} times, {min(seconds):.1f} s at least, "
            f"{median(seconds):.1f} s median, {max(seconds):.1f} s at most"
        )
    print(f"edits: {len(load.edits)}, Secrets written: {len(load.history)}")
    assert load.steps_back() == []
    assert load.seen() == load.last
    late = {k: max(s) for k, s in took.items() if max(s) > SECONDS[k]}
    assert late == {}


def test_a_value_that_goes_back_and_a_secret_that_goes_are_noticed(
    tenant: Tenant,
) -> None:
    load = Load(tenant, ["one", "other"])
    told = [("one", 1), ("other", 2), ("one", 3), ("other", 2), ("one", 1)]
    load.history = [
        Event(float(at), name, "MODIFIED", number)
        for at, (name, number) in enumerate(told)
    ]
    load.history.append(Event(9.0, "other", "DELETED", 2))

    assert [(event.name, event.kind) for _, event in load.steps_back()] == [
        ("one", "MODIFIED"),
        ("other", "DELETED"),
    ]


def is_all_told(tenant: Tenant) -> bool:
    """Tell whether each VaultSecret says that its Secret realises it."""
    path = "{range .items[*]}{.metadata.generation} {.status.observedGeneration}\n{end}"
    said = tenant.kubectl("get", "vaultsecrets", "-o", f"jsonpath={path}")
    pairs = [line.split() for line in said.splitlines()]
    return len(pairs) == OBJECTS and all(len(set(pair)) == 1 for pair in pairs)
