"""One tenant's bad references take no turn of another one's good ones.

Counted are the calls that are made until the good ones have their answers, so nothing
here depends on how fast anything is.
"""

import asyncio
from collections.abc import Mapping

import pytest

from tests.running import run
from vaultferry.core.document import Document
from vaultferry.core.errors import (
    AuthenticationFailed,
    Failure,
    PlaceForbidden,
    PlaceMissing,
    Unreachable,
)
from vaultferry.core.urgency import Lane
from vaultferry.operator.queue import WorkQueue
from vaultferry.places import Around, PlaceKey, Places
from vaultferry.views import Key

GOOD, BAD = Key("good", "vault"), Key("bad", "vault")
FEW, MANY = 20, 2_000


class Counting:
    """A vault that answers, or fails; each call is one on a common count."""

    def __init__(self, calls: list[str], failure: Failure | None = None) -> None:
        self._calls = calls
        self._failure = failure

    async def fetch(self, place: str, known: Document | None) -> Document:
        del known
        self._calls.append(place)
        await asyncio.sleep(0)
        if self._failure:
            raise self._failure
        return Document({"a": b"value"})

    async def check(self) -> None:
        raise AssertionError


async def calls_until_all_is_had(failure: Failure | None) -> int:
    """Return how many calls are made until the good places have answered.

    Args:
        failure: what the bad ones come to; None: there are none.
    """
    now, calls = 1000.0, list[str]()
    queue: WorkQueue[PlaceKey] = WorkQueue(
        lambda: now, lambda place: place.connection.namespace, lambda _lane, _time: None
    )
    places = Places(
        queue.add,
        lambda _key, _lane: None,
        lambda _key: None,
        Around(lambda: now, lambda: now, lambda _how: None),
    )
    places.connect(GOOD, "v", Counting(calls), now)
    places.connect(BAD, "v", Counting(calls, failure), now)
    if failure:
        want(places, BAD, MANY)
    good = want(places, GOOD, FEW)
    while any(places.look(place).document is None for place in good):
        place = await queue.get()
        queue.done(place, await places(place), Lane.ROUTINE)
    return len(calls)


def want(places: Places, way: Key, number: int) -> Mapping[PlaceKey, float]:
    """Have a VaultSecret of its own want each of so many places."""
    wanted = {PlaceKey(way, f"{way.namespace}-{n}"): 3600.0 for n in range(number)}
    for n, place in enumerate(wanted):
        user = Key(way.namespace, f"user-{n}")
        places.use(user, {place: 3600.0})
        places.want(user, place, -float("inf"))
    return wanted


@pytest.mark.parametrize(
    "failure",
    [
        PlaceMissing("absent"),
        PlaceForbidden("no"),
        Unreachable("away"),
        AuthenticationFailed("no"),
    ],
    ids=lambda failure: failure.reason,
)
def test_two_thousand_bad_references_cost_another_tenant_every_second_turn(
    failure: Failure,
) -> None:
    alone = run(calls_until_all_is_had(None))
    beside = run(calls_until_all_is_had(failure))

    print(f"{failure.reason}: {beside / alone:.2f} times the calls")
    assert alone == FEW
    assert beside <= 2.2 * alone
