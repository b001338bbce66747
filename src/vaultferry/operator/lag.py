"""Samples how late the event loop is: while it is, nothing else is served."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

EVERY_SECONDS = 0.5


@asynccontextmanager
async def sampled(late: Callable[[float], None]) -> AsyncIterator[None]:
    """Sample until left.

    Args:
        late: is told twice a second how many seconds later it was than due.
    """
    task = asyncio.create_task(_sample(late))
    try:
        yield
    finally:
        task.cancel()


async def _sample(late: Callable[[float], None]) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        due = clock() + EVERY_SECONDS
        await asyncio.sleep(EVERY_SECONDS)
        late(max(0.0, clock() - due))
