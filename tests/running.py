"""Runs the coroutine of a test: no plug-in, and never for ever."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

LONGEST_SECONDS = 10


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what the coroutine returns; fail if it takes too long."""

    async def limited() -> T:
        async with asyncio.timeout(LONGEST_SECONDS):
            return await coroutine

    return asyncio.run(limited())
