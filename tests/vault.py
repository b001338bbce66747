"""A vault without a network: its places hold what they are given, or fail."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vaultferry.core.document import Document
from vaultferry.core.errors import Failure


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
        await asyncio.sleep(self.pause)
        if self.failure:
            raise self.failure
        tag = repr((self.holds[place], self.origins))
        if known and known.tag == tag:
            return known
        return Document(self.holds[place], tag, self.origins)

    async def check(self) -> None:
        self.calls.append("check")
        if self.failure:
            raise self.failure
