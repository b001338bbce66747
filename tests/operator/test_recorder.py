import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from tests.builders import NAME, NAMESPACE, UID, edited, vault_secret_body
from tests.running import run
from vaultferry.cluster import Cluster
from vaultferry.core.answers import Absent, Expired, Stale
from vaultferry.core.errors import ApiForbidden
from vaultferry.core.events import Event
from vaultferry.core.vaultsecret import VaultSecret
from vaultferry.operator.recorder import Recorder

CONFLICT = Event("Warning", "Conflict", "Secret app exists and is not ours")
RECOVERED = Event("Normal", "Recovered", "No longer Conflict.")


class Posted(Cluster):
    """Takes events, or refuses them."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.faults: list[Exception] = []

    async def create_event(self, namespace: str, manifest: Mapping[str, Any]) -> None:
        assert namespace == manifest["metadata"]["namespace"]
        if self.faults:
            raise self.faults.pop()
        self.events.append(manifest)


class Desk:
    """A recorder, and what became of the events that were left with it."""

    def __init__(self) -> None:
        self.cluster = Posted()
        self.now = 0.0
        self.lost = 0
        self.recorder = Recorder(self.cluster, lambda: self.now, self._lose)

    def post(self, *events: Event, uid: str = UID) -> None:
        resource = VaultSecret.parse(edited(vault_secret_body(), uid=uid))
        for event in events:
            self.recorder.post(resource, event)

    def deliver(self) -> list[str]:
        """Let the recorder work until it waits; return the reasons that were posted."""
        run(self._until_idle())
        return [event["reason"] for event in self.cluster.events]

    async def _until_idle(self) -> None:
        task = asyncio.create_task(self.recorder.run())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    def _lose(self) -> None:
        self.lost += 1


def test_an_event_says_what_happened_to_which_resource() -> None:
    desk = Desk()
    desk.post(CONFLICT)

    desk.deliver()

    (event,) = desk.cluster.events
    assert (event["type"], event["reason"]) == ("Warning", "Conflict")
    assert event["note"] == CONFLICT.message
    regarding = {
        "kind": "VaultSecret",
        "namespace": NAMESPACE,
        "name": NAME,
        "uid": UID,
    }
    assert regarding.items() <= event["regarding"].items()
    assert event["reportingController"] == "vaultferry.dev/operator"


def test_a_fact_is_posted_once_in_five_minutes() -> None:
    desk = Desk()
    for desk.now in (0.0, 299.0, 300.0, 301.0, 600.0):
        desk.post(CONFLICT)

    assert desk.deliver() == ["Conflict"] * 3


def test_facts_that_differ_are_posted_each() -> None:
    desk = Desk()
    desk.post(CONFLICT, RECOVERED)
    desk.post(CONFLICT, uid="another")

    assert desk.deliver() == ["Conflict", "Recovered", "Conflict"]


@pytest.mark.parametrize(
    "error", [ApiForbidden("no right"), Absent(), Stale(), Expired()], ids=repr
)
def test_an_event_that_is_refused_is_lost_and_the_next_is_not(error: Exception) -> None:
    desk = Desk()
    desk.cluster.faults = [error]
    desk.post(CONFLICT, RECOVERED)

    assert desk.deliver() == ["Recovered"]
    assert desk.lost == 1


def test_too_many_events_at_a_time_are_lost_and_counted() -> None:
    desk = Desk()
    for number in range(1_200):
        desk.post(CONFLICT, uid=str(number))

    assert len(desk.deliver()) == 1_000
    assert desk.lost == 200


def test_what_is_remembered_has_a_limit() -> None:
    desk = Desk()
    for number in range(20_000):
        desk.post(CONFLICT, uid=str(number))
    lost = desk.lost

    desk.post(CONFLICT, uid="0")
    desk.post(CONFLICT, uid="19999")

    assert desk.lost == lost + 1


def test_names_and_notes_fit_into_an_event() -> None:
    desk = Desk()
    body = edited(vault_secret_body(), name=f"{'x' * 199}.{'y' * 53}")
    desk.recorder.post(VaultSecret.parse(body), Event("Normal", "Long", "z" * 5_000))

    desk.deliver()

    (event,) = desk.cluster.events
    assert re.fullmatch(r"x{199}\.[0-9a-f]{16}", event["metadata"]["name"])
    assert len(event["note"]) == 1_000
