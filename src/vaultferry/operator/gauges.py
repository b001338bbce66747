"""The gauges of a leadership, read anew whenever the metrics are asked for."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from typing import NamedTuple

from vaultferry.core.conditions import TYPES
from vaultferry.core.keyring import Keyring
from vaultferry.core.urgency import Lane
from vaultferry.operator.metrics import Metrics
from vaultferry.operator.term import Term

Read = Callable[[Term], float]

_DAY_SECONDS = 24 * 3600.0
_EXPIRING = {"expired": 0, "1d": 1, "7d": 7, "30d": 30}

_SINGLE: Mapping[str, tuple[str, Read]] = {
    "vaultsecrets": ("VaultSecrets in view.", lambda term: len(term.vaultsecrets)),
    "secrets": ("Secrets in view.", lambda term: len(term.secrets)),
    "vaultconnections": (
        "VaultConnections in view.",
        lambda term: len(term.connections),
    ),
    "places": (
        "Places of vaults that are fetched for VaultSecrets.",
        lambda term: len(term.places),
    ),
    "streams": (
        "Event streams of vaults that are open.",
        lambda term: len(term.streams),
    ),
    "vault_documents_bytes": (
        "What vaults answered, as far as it is kept.",
        lambda term: term.places.kept,
    ),
    "places_limited": (
        "Places that wait because their vault lets only so many calls through.",
        lambda term: term.places.in_line,
    ),
    "workers_busy": ("Keys that are worked on.", lambda term: term.queue.busy),
    "queue_delayed": (
        "Keys that are due later: retries, and what is looked at again.",
        lambda term: term.queue.delayed,
    ),
    "failing": (
        "VaultSecrets that failed when they were last attempted.",
        lambda term: term.reconcile.failing,
    ),
    "secret_watch_silence_seconds": (
        "Since the watch of Secrets last said something, bookmarks included.",
        Term.silence,
    ),
}


class _Family(NamedTuple):
    """A gauge with labels, and how each of their few values is read."""

    name: str
    text: str
    labels: tuple[str, ...]
    reads: Mapping[tuple[str, ...], Read]


def add(metrics: Metrics, keyring: Keyring, present: Callable[[], Term | None]) -> None:
    """Add the gauges; they are 0 while this replica waits.

    Args:
        metrics: where to.
        keyring: names the keys that are counted.
        present: returns the present leadership, if there is one.
    """

    def now(read: Read) -> float:
        term = present()
        return 0.0 if term is None else read(term)

    for name, (text, read) in _SINGLE.items():
        metrics.gauge(name, text, partial(now, read))
    for family in (*_by_lane(), _by_condition(), _by_expiry(), _by_key(keyring)):
        reads = {values: partial(now, read) for values, read in family.reads.items()}
        metrics.gauges(family.name, family.text, family.labels, reads)


def _by_lane() -> tuple[_Family, ...]:
    def depth(lane: Lane, term: Term) -> float:
        return term.queue.depth(lane)

    def age(lane: Lane, term: Term) -> float:
        return term.queue.age(lane)

    texts = {
        "queue_depth": ("Keys that wait to be worked on.", depth),
        "queue_oldest_seconds": (
            "How long the key that waits longest has waited in its lane.",
            age,
        ),
    }
    return tuple(
        _Family(
            name,
            text,
            ("lane",),
            {(lane.name.lower(),): partial(read, lane) for lane in Lane},
        )
        for name, (text, read) in texts.items()
    )


def _by_condition() -> _Family:
    def count(condition: str, status: str, term: Term) -> float:
        return term.vaultsecrets.saying(condition, status)

    return _Family(
        "vaultsecrets_condition",
        "VaultSecrets in view that have a condition, by what it says.",
        ("condition", "status"),
        {says: partial(count, *says) for says in product(TYPES, ("True", "False"))},
    )


def _by_expiry() -> _Family:
    def count(seconds: float, term: Term) -> float:
        return term.vaultsecrets.expired_by(time.time() + seconds)

    return _Family(
        "expiring",
        "VaultSecrets whose credential expires within that time, or has expired.",
        ("within",),
        {
            (within,): partial(count, days * _DAY_SECONDS)
            for within, days in _EXPIRING.items()
        },
    )


def _by_key(keyring: Keyring) -> _Family:
    def count(name: str, term: Term) -> float:
        return term.sealed_for(name)

    return _Family(
        "sealed_vaultsecrets",
        "VaultSecrets by the oldest key that their values are sealed for.",
        ("key_id", "age"),
        {(name, age): partial(count, name) for name, age in keyring.ages.items()},
    )
