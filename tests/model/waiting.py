"""Waits for what comes true by itself."""

import asyncio
import time
from collections.abc import Callable
from math import inf

from tests.model.history import Violation

POLL_SECONDS = 0.03


async def until(check: Callable[[], bool], seconds: float = inf, why: str = "") -> None:
    """Wait until something holds.

    Raises:
        Violation: it took too long.
    """
    deadline = time.monotonic() + seconds
    while True:
        if check():
            return
        if time.monotonic() > deadline:
            raise Violation(why)
        await asyncio.sleep(POLL_SECONDS)
