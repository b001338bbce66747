"""Vaults without a network: their places hold what they are given, or fail."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from dataclasses import dataclass, field

from vaultferry.core.budget import Quota
from vaultferry.core.document import Document
from vaultferry.core.errors import Failure, PlaceForbidden, RateLimited


@dataclass
class Vault:
    """A session whose places hold what they are given, or fail."""

    holds: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    failure: Failure | None = None
    calls: list[str] = field(default_factory=list)
    pause: float = 0.0
    during: Callable[[], None] = lambda: None

    async def fetch(self, place: str, known: Document | None) -> Document:
        self.calls.append(place)
        self.during()
        failure = self.failure
        await asyncio.sleep(self.pause)
        if failure:
            raise failure
        tag = repr((self.holds[place], self.origins))
        if known and known.tag == tag:
            return known
        return Document(self.holds[place], tag, self.origins)

    async def check(self) -> None:
        self.calls.append("check")
        if self.failure:
            raise self.failure


@dataclass
class BatchingVault(Vault):
    """One that answers several places by a call, but for those that end in a slash."""

    batch: int = 10
    forbids: Collection[str] = ()

    def shares(self, place: str) -> bool:
        return not place.endswith("/")

    async def fetch_several(
        self, known: Mapping[str, Document | None]
    ) -> Mapping[str, Document | Failure]:
        assert 1 < len(known) <= self.batch
        self.calls.append("+".join(known))
        self.during()
        if self.failure:
            raise self.failure
        return {
            place: PlaceForbidden("no")
            if place in self.forbids
            else Document(self.holds[place])
            for place in known
        }


@dataclass
class ListeningVault(Vault):
    """One that tells of changes: each stream is as many as it says, then its end."""

    listens: bool = True
    says: list[int | Failure] = field(default_factory=list)
    streams: int = 0
    lasts: float = 0.0

    async def changes(self) -> AsyncGenerator[None, None]:
        self.streams += 1
        said = self.says.pop(0) if self.says else 0
        if isinstance(said, Failure):
            raise said
        for _ in range(said):
            yield
        await asyncio.sleep(self.lasts)


@dataclass
class LimitedVault(Vault):
    """One that lets so many calls through in a minute of its clock, and says so."""

    clock: Callable[[], float] = lambda: 0.0
    limit: int = 60
    says: bool = True
    left: int = 0
    ends: float = 0.0
    quota: Quota | None = None
    refused: int = 0

    async def fetch(self, place: str, known: Document | None) -> Document:
        self._count()
        return await super().fetch(place, known)

    async def check(self) -> None:
        self._count()
        await super().check()

    def _count(self) -> None:
        now = self.clock()
        if now >= self.ends:
            self.left, self.ends = self.limit, now + 60.0
        self.left -= 1
        if self.says:
            self.quota = Quota(self.limit, max(0, self.left), self.ends - now)
        if self.left < 0:
            self.refused += 1
            raise RateLimited("the vault was asked too often", wait=self.ends - now)
