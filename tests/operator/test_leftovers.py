"""What deleted VaultSecrets have left in Secrets, and how it is found."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest

from tests.builders import NAMESPACE, secret_body, vault_secret_body
from tests.running import run
from vaultferry.cluster import Cluster
from vaultferry.core.answers import Absent
from vaultferry.core.errors import ApiUnavailable
from vaultferry.core.merge import mark
from vaultferry.core.urgency import Lane
from vaultferry.operator.leftovers import Leftovers
from vaultferry.views import Key, Secrets, VaultSecrets

APP, GONE = Key(NAMESPACE, "app"), Key(NAMESPACE, "gone")
NEVER = 60.0


class Listing(Cluster):
    """Lists VaultSecrets of these keys, after what it fails with."""

    def __init__(self, there: Iterable[Key], *faults: Exception) -> None:
        self.there = set(there)
        self.faults = list(faults)
        self.scopes: list[str | None] = []

    async def list_vaultsecrets(
        self, namespace: str | None
    ) -> AsyncIterator[tuple[list[Any], str]]:
        self.scopes.append(namespace)
        if self.faults:
            raise self.faults.pop(0)
        yield [{"metadata": key._asdict()} for key in self.there], "50"


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set how long it waits: at a start, and from search to search."""

    def set_to(start: float = NEVER, search: float = NEVER) -> None:
        of = "vaultferry.operator.leftovers"
        monkeypatch.setattr(f"{of}.START_SECONDS", start)
        monkeypatch.setattr(f"{of}.SHORTEST_SECONDS", search)
        monkeypatch.setattr(f"{of}.LONGEST_SECONDS", search)

    return set_to


def recorded(*keys: Key) -> Secrets:
    """Return a view of a Secret with the records of these VaultSecrets."""
    secrets = Secrets(VaultSecrets())
    notes = {mark(str(key)): json.dumps({"name": key.name}) for key in keys}
    secrets.put(secret_body(annotations=notes))
    return secrets


def woken(
    cluster: Listing,
    secrets: Secrets,
    in_view: VaultSecrets | None = None,
    scope: str | None = None,
) -> list[Key]:
    """Run for a moment; return who was woken."""
    keys: list[Key] = []

    def wake(key: Key, lane: Lane) -> None:
        assert lane is Lane.LAST
        keys.append(key)

    async def moment() -> None:
        leftovers = Leftovers(cluster, in_view or VaultSecrets(), secrets, wake)
        task = asyncio.ensure_future(leftovers.run(scope))
        await asyncio.sleep(0.1)
        task.cancel()

    run(moment())
    return keys


def test_at_a_start_who_is_gone_and_has_left_keys_is_woken(
    wait: Callable[..., None],
) -> None:
    wait()

    assert woken(Listing([APP]), recorded(APP, GONE)) == [GONE]


def test_who_was_deleted_before_the_watch_began_is_woken_a_little_later(
    wait: Callable[..., None],
) -> None:
    wait(start=0.0)
    view = VaultSecrets()
    view.put(vault_secret_body())

    assert woken(Listing([APP, GONE]), recorded(APP, GONE), view) == [GONE]


def test_it_is_searched_for_again_and_again(wait: Callable[..., None]) -> None:
    wait(start=0.0, search=0.01)
    view = VaultSecrets()
    view.put(vault_secret_body())

    assert woken(Listing([]), recorded(APP), view)[:2] == [APP, APP]


@pytest.mark.parametrize("fault", [ApiUnavailable("no answer"), Absent()], ids=repr)
def test_a_search_that_fails_is_made_another_time(
    fault: Exception, wait: Callable[..., None]
) -> None:
    wait(start=0.0, search=0.01)
    view = VaultSecrets()
    view.put(vault_secret_body())

    found = woken(Listing([], fault), recorded(APP), view)

    assert found[:1] == [APP]


def test_without_a_record_nothing_is_asked(wait: Callable[..., None]) -> None:
    wait(start=0.0, search=0.01)
    cluster = Listing([])

    assert (woken(cluster, recorded()), cluster.scopes) == ([], [])


def test_only_the_scope_is_searched(wait: Callable[..., None]) -> None:
    wait()
    here, elsewhere = Listing([]), Listing([])

    assert woken(here, recorded(GONE), scope=NAMESPACE) == [GONE]
    assert woken(elsewhere, recorded(GONE), scope="elsewhere") == []
    assert (here.scopes, elsewhere.scopes) == ([NAMESPACE], [])
