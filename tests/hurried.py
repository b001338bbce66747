"""Runs the coroutine of a test in a time of its own, which jumps over every wait."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class HurriedLoop(asyncio.SelectorEventLoop):
    """An event loop that, where nothing is left to do, moves its clock on."""

    def __init__(self) -> None:
        self._now = 1_000.0
        super().__init__()

    def time(self) -> float:
        """Return the seconds of its own clock."""
        return self._now

    def _run_once(self) -> None:
        inside: Any = self
        if not inside._ready and inside._scheduled:  # noqa: SLF001
            self._now = max(self._now, inside._scheduled[0].when())  # noqa: SLF001
        base: Any = super()
        base._run_once()  # noqa: SLF001


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what the coroutine returns; only for one that does no I/O."""
    with asyncio.Runner(loop_factory=HurriedLoop) as runner:
        return runner.run(coroutine)


def seconds() -> float:
    """Return the seconds of the running loop's clock."""
    return asyncio.get_running_loop().time()
