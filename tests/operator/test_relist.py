"""What a watch of VaultSecrets misses, and how it is found."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.builders import Body, edited, vault_secret_body
from tests.running import run
from tests.world import KEY
from vaultferry.cluster import Cluster
from vaultferry.core.answers import Absent, Expired
from vaultferry.core.errors import ApiUnavailable
from vaultferry.core.urgency import Lane
from vaultferry.operator.relist import Relist
from vaultferry.views import Key, VaultSecrets


class Listing(Cluster):
    """Lists and gives these VaultSecrets."""

    def __init__(self, *bodies: Body) -> None:
        self.bodies = {Key.of(body): body for body in bodies}
        self.read: list[Key] = []
        self.times_missed = 0

    def missed(self) -> None:
        self.times_missed += 1

    async def list_vaultsecrets(
        self, namespace: str | None
    ) -> AsyncIterator[tuple[list[Any], str]]:
        for body in self.bodies.values():
            if namespace in {None, body["metadata"]["namespace"]}:
                yield [{"metadata": body["metadata"]}], "50"

    async def get_vaultsecret(self, namespace: str, name: str) -> Body:
        self.read.append(Key(namespace, name))
        if self.read[-1] not in self.bodies:
            raise Absent
        return self.bodies[self.read[-1]]


def version(number: int) -> Body:
    return edited(vault_secret_body(), resourceVersion=str(number))


def compared(
    cluster: Listing, *in_view: Body
) -> tuple[VaultSecrets, list[tuple[Key, Lane]]]:
    """Compare a view with a list; return the view and who was woken."""
    view, woken = VaultSecrets(), list[tuple[Key, Lane]]()
    for body in in_view:
        view.put(body)
    relist = Relist(
        cluster,
        (None,),
        view,
        lambda key, lane: woken.append((key, lane)),
        cluster.missed,
    )
    run(relist.compare(None, 0))
    return view, woken


@pytest.mark.parametrize("number", [7, 8], ids=["the same", "newer than the list"])
def test_a_view_that_is_not_behind_costs_only_the_list(number: int) -> None:
    cluster = Listing(version(7))

    _, woken = compared(cluster, version(number))

    assert (cluster.read, woken) == ([], [])


@pytest.mark.parametrize("in_view", [[], [version(6)]], ids=["unknown", "older"])
def test_a_change_that_the_watch_missed_is_read(in_view: list[Body]) -> None:
    cluster = Listing(version(7))

    view, woken = compared(cluster, *in_view)

    assert view.version(KEY) == 7
    assert woken == [(KEY, Lane.URGENT)]
    assert cluster.times_missed == 1


def test_a_deletion_that_the_watch_missed_is_seen() -> None:
    view, woken = compared(Listing(), version(6))

    assert (len(view), woken) == (0, [(KEY, Lane.URGENT)])


def test_a_deletion_that_was_missed_wakes_those_that_want_the_same_secret() -> None:
    heir = edited(vault_secret_body(target={"name": KEY.name}), name="heir")

    _, woken = compared(Listing(heir), heir, version(6))

    urgent = Lane.URGENT
    assert woken == [(KEY, urgent), (Key(KEY.namespace, "heir"), urgent)]


@pytest.mark.parametrize(("scope", "woken"), [(KEY.namespace, [KEY]), ("other", [])])
def test_a_list_of_a_namespace_says_nothing_of_another(
    scope: str, woken: list[Key]
) -> None:
    view, told = VaultSecrets(), list[Key]()
    view.put(version(6))
    relist = Relist(Listing(), [scope], view, lambda key, _: told.append(key), print)

    run(relist.compare(scope, 0))

    assert told == woken


def test_what_the_watch_tells_meanwhile_was_not_missed() -> None:
    cluster, view = Listing(version(7)), VaultSecrets()
    view.put(version(6))

    async def told() -> None:
        relist = Relist(cluster, (None,), view, lambda *_: None, cluster.missed)
        async with asyncio.TaskGroup() as group:
            group.create_task(relist.compare(None, 0.05))
            await asyncio.sleep(0.01)
            view.put(version(7))

    run(told())

    assert cluster.read == []


@pytest.mark.parametrize(
    "fault", [Expired(), Absent(), ApiUnavailable("down")], ids=repr
)
def test_a_list_that_fails_is_tried_another_time(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    class Failing(Listing):
        def __init__(self) -> None:
            self.lists = 0
            self.twice = asyncio.Event()

        async def list_vaultsecrets(
            self, namespace: str | None
        ) -> AsyncIterator[tuple[list[Any], str]]:
            assert namespace is None
            self.lists += 1
            if self.lists > 1:
                self.twice.set()
            raise fault
            yield

    cluster = Failing()
    monkeypatch.setattr("vaultferry.operator.relist.SHORTEST_SECONDS", 0.0)
    monkeypatch.setattr("vaultferry.operator.relist.LONGEST_SECONDS", 0.01)

    async def twice() -> None:
        task = asyncio.ensure_future(
            Relist(cluster, (None,), VaultSecrets(), print, print).run()
        )
        await cluster.twice.wait()
        task.cancel()

    run(twice())

    assert cluster.lists >= 2
