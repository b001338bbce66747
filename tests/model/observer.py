"""Watches everything on its own, and keeps the whole history of each namespace."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

Body = Mapping[str, Any]

PATHS = {
    "secrets": "/api/v1/secrets",
    "vaultsecrets": "/apis/vaultferry.dev/v1alpha1/vaultsecrets",
}
_UNLIMITED = aiohttp.ClientTimeout(total=None)
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Event:
    """One change of an object, as the API server told of it."""

    version: int
    resource: str
    kind: str
    body: Body

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.body["metadata"]["name"])

    @property
    def uid(self) -> str:
        """The object's uid."""
        return str(self.body["metadata"]["uid"])


@dataclass
class Scene:
    """What was seen of one namespace."""

    now: dict[tuple[str, str], Body] = field(default_factory=dict)
    """Each object as last seen, by resource and name."""

    events: list[Event] = field(default_factory=list)
    """What happened since somebody last took it, in no order of the two watches."""

    versions: set[int] = field(default_factory=set)
    """The resourceVersions that the watches have told of."""

    ends: set[str] = field(default_factory=set)
    """The uids of what they have told to be deleted."""

    def get(self, resource: str, name: str) -> Body | None:
        """Return an object as last seen."""
        return self.now.get((resource, name))

    def take(self) -> list[Event]:
        """Return what happened since the last time, in the order in which it did.

        That is right only while nothing happens: one watch may be behind the other.
        """
        taken, self.events = self.events, []
        return sorted(taken, key=lambda event: event.version)

    def note(self, event: Event) -> None:
        """Take what a watch told."""
        self.events.append(event)
        self.versions.add(event.version)
        place = (event.resource, event.name)
        if event.kind == "DELETED":
            self.ends.add(event.uid)
            self.now.pop(place, None)
        else:
            self.now[place] = event.body


class Observer:
    """The administrator's own watches: the operator has no part in them."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.scenes: defaultdict[str, Scene] = defaultdict(Scene)
        self._begun = asyncio.Event()

    async def run(self) -> None:
        """Watch for ever."""
        versions = {path: await self._list_version(path) for path in PATHS}
        self._begun.set()
        async with asyncio.TaskGroup() as group:
            for resource, version in versions.items():
                group.create_task(self._watch(resource, version))

    async def watching(self) -> None:
        """Wait until nothing is missed any more."""
        await self._begun.wait()

    async def _watch(self, resource: str, version: int) -> None:
        while True:
            version = await self._follow(resource, version)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _list_version(self, resource: str) -> int:
        async with self._session.get(PATHS[resource], params={"limit": 1}) as answer:
            listed = await answer.json()
        return int(listed["metadata"]["resourceVersion"])

    async def _follow(self, resource: str, version: int) -> int:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(version),
            "timeoutSeconds": "1800",
        }
        async with self._session.get(
            PATHS[resource], params=query, timeout=_UNLIMITED
        ) as answer:
            async for line in answer.content:
                event = json.loads(line)
                assert event["type"] != "ERROR", "the watch of the test broke"
                version = self._note(resource, event["type"], event["object"])
        return version

    def _note(self, resource: str, kind: str, body: Body) -> int:
        metadata = body["metadata"]
        version = int(metadata["resourceVersion"])
        if kind != "BOOKMARK":
            event = Event(version, resource, kind, body)
            self.scenes[metadata["namespace"]].note(event)
        return version
