"""What all fake vaults have: a state that can be replaced, and a clock."""

import time
from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from tests.vaults.message import Answer, Asked


class Kept(BaseModel):
    """A part of a state; it is not shown, and neither is what it refuses."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    def __repr__(self) -> str:
        return type(self).__name__

    __str__ = __repr__


S = TypeVar("S", bound=Kept)


class Vault(ABC, Generic[S]):
    """A vault without its socket. `state` may be changed at any time."""

    kind: ClassVar[type[Kept]]

    def __init__(self, state: S | None = None) -> None:
        self.state: S = state or self.kind()  # type: ignore[assignment]
        self.ahead = 0.0
        """By how many seconds its clock is ahead."""

    @property
    def now(self) -> float:
        """Seconds since 1970, by the clock of the vault."""
        return time.time() + self.ahead

    def load(self, document: bytes) -> None:
        """Replace the state by another one, in JSON."""
        self.state = self.kind.model_validate_json(document)  # type: ignore[assignment]

    async def open(self) -> None:
        """Get what it takes to answer."""

    async def close(self) -> None:
        """Let go of it."""

    @abstractmethod
    async def answer(self, asked: Asked) -> Answer:
        """Answer one request."""
