"""Edits that go on all the time, and an independent watch of what comes of them."""

import asyncio
import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.e2e.crowd import Crowd, crowd, secrets, vaultsecrets
from tests.e2e.tenant import Body, Tenant, eventually

_PAUSE_SECONDS = 0.1
_WATCH_SECONDS = "30"


@dataclass(frozen=True)
class Event:
    """A Secret as the watch told of it."""

    when: float
    name: str
    kind: str
    generation: int


@dataclass
class Load:
    """Edits of some VaultSecrets, one after the other; each value is a number."""

    tenant: Tenant
    names: list[str]
    edits: list[tuple[float, str, int]] = field(default_factory=list)
    history: list[Event] = field(default_factory=list)
    failed: BaseException | None = None
    _ending: threading.Event = field(default_factory=threading.Event)

    @property
    def last(self) -> dict[str, int]:
        """The last value that each was edited to."""
        return {name: number for _, name, number in self.edits}

    def seen(self) -> dict[str, int]:
        """Return the last value of each that the watch told of."""
        return {event.name: event.generation for event in list(self.history)}

    def first_of_later_edits(self, since: float) -> float | None:
        """Return when an edit that was made after a time first showed in a Secret."""
        edits = {(name, number) for when, name, number in self.edits if when > since}
        events = list(self.history)
        return next((e.when for e in events if (e.name, e.generation) in edits), None)

    def steps_back(self) -> list[tuple[Event, Event]]:
        """Return where a Secret got an older value, or went."""
        before: dict[str, Event] = {}
        found = []
        for event in self.history:
            last = before.get(event.name, event)
            if event.generation < last.generation or event.kind == "DELETED":
                found.append((last, event))
            before[event.name] = event
        return found

    def run(self) -> None:
        """Edit and watch until told to end; runs in a thread of its own."""
        try:
            asyncio.run(self._run())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.failed = error

    def end(self) -> None:
        """Edit no more; the watch goes on until it saw what was edited last."""
        self._ending.set()

    async def _run(self) -> None:
        async with crowd(self.tenant.plane) as people, asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch(people))
            await self._edit(people)
            await asyncio.to_thread(eventually, lambda: self.seen() == self.last)
            watching.cancel()

    async def _edit(self, people: Crowd) -> None:
        number = 0
        while not self._ending.is_set():
            name = self.names[number % len(self.names)]
            number += 1
            sealed = self.tenant.seal(name, password=str(number))
            when = time.monotonic()
            await self._put(people, name, sealed)
            self.edits.append((when, name, number))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _put(self, people: Crowd, name: str, sealed: dict[str, str]) -> None:
        if name not in self.last:
            await people.create(self.tenant.manifest(name, sealed))
            return
        path = f"{vaultsecrets(self.tenant.namespace)}/{name}"
        await people.patch(path, {"spec": {"sealed": sealed}})

    async def _watch(self, people: Crowd) -> None:
        """Follow the Secrets without a gap: each watch begins where the last ended."""
        version = "0"
        query = {"watch": "true", "timeoutSeconds": _WATCH_SECONDS}
        path = secrets(self.tenant.namespace)
        while True:
            asked = query | {"resourceVersion": version}
            async with people.session.get(path, params=asked) as answer:
                async for line in answer.content:
                    told = json.loads(line)
                    version = told["object"]["metadata"]["resourceVersion"]
                    self.history.append(_event(told))


def _event(told: Body) -> Event:
    assert told["type"] in {"ADDED", "MODIFIED", "DELETED"}, told["type"]
    body = told["object"]
    value = int(base64.b64decode(body["data"]["password"]))
    return Event(time.monotonic(), body["metadata"]["name"], told["type"], value)


@contextmanager
def loaded(tenant: Tenant, count: int) -> Iterator[Load]:
    """Have so many VaultSecrets edited in turn meanwhile, ten times a second."""
    load = Load(tenant, [f"db-{number}" for number in range(count)])
    thread = threading.Thread(target=load.run)
    thread.start()
    try:
        yield load
    finally:
        load.end()
        thread.join()
