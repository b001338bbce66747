"""One tenant's bad references take few turns of another one's good ones.

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
from vaultferry.operator import fetching
from vaultferry.places import Around, PlaceKey, Places
from vaultferry.views import Key

APART = {tenant: Key(tenant, "vault") for tenant in ("good", "bad")}
TOGETHER = dict.fromkeys(APART, Key("shop", "vault"))
FEW, MANY = 20, 2_000
WORKERS = 8


class Counting:
    """A vault that has no bad places; each call is one on a common count."""

    def __init__(self, calls: list[str], failure: Failure | None) -> None:
        self._calls = calls
        self._failure = failure

    async def fetch(self, place: str, known: Document | None) -> Document:
        del known
        self._calls.append(place)
        await asyncio.sleep(0)
        if self._failure and place.startswith("bad"):
            raise self._failure
        return Document({"a": b"value"})

    async def check(self) -> None:
        raise AssertionError


async def calls_until_all_is_had(
    failure: Failure | None, ways: Mapping[str, Key]
) -> int:
    """Return how many calls are made until the good places have answered.

    Args:
        failure: what the bad ones come to; None: there are none.
        ways: the connection that each of the tenants uses.
    """
    now, calls = 1000.0, list[str]()

    def counted(_how: str) -> None:
        if all(places.look(place).document for place in good):
            queue.close()

    def namespace(place: PlaceKey) -> str:
        return places.namespace(place)

    queue = fetching.line(namespace, lambda: now)
    places = Places(
        queue.add,
        lambda _key, _lane: None,
        lambda _key: None,
        Around(lambda: now, lambda: now, counted),
    )
    for way in set(ways.values()):
        places.connect(way, "v", Counting(calls, failure), now)
    if failure:
        want(places, "bad", ways["bad"], MANY)
    good = want(places, "good", ways["good"], FEW)
    workers = [
        asyncio.create_task(fetching.work(queue, places)) for _ in range(WORKERS)
    ]
    await asyncio.gather(*workers)
    return len(calls)


def want(
    places: Places, tenant: str, way: Key, number: int
) -> Mapping[PlaceKey, float]:
    """Have a VaultSecret of its own want each of so many places."""
    wanted = {PlaceKey(way, f"{tenant}-{n}"): 3600.0 for n in range(number)}
    for n, place in enumerate(wanted):
        user = Key(tenant, f"user-{n}")
        places.use(user, {place: 3600.0})
        places.want(user, place, -float("inf"))
    return wanted


@pytest.mark.parametrize(
    ("failure", "ways"),
    [
        (PlaceMissing("absent"), APART),
        (PlaceForbidden("no"), APART),
        (Unreachable("away"), APART),
        (AuthenticationFailed("no"), APART),
        (PlaceMissing("absent"), TOGETHER),
        (PlaceForbidden("no"), TOGETHER),
    ],
    ids=["missing", "forbidden", "away", "refused", "missing here", "forbidden here"],
)
def test_two_thousand_bad_references_cost_another_tenant_a_few_turns(
    failure: Failure, ways: Mapping[str, Key]
) -> None:
    alone = run(calls_until_all_is_had(None, ways))
    beside = run(calls_until_all_is_had(failure, ways))

    print(f"{failure.reason}: {beside / alone:.2f} times the calls")
    assert alone == FEW
    # Every second turn would be twice; but those of a connection are taken in a few
    # rows, and the good ones are not evenly among them.
    assert beside <= 5 * alone
