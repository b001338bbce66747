"""Stopping for sure."""

import asyncio

from tests.running import run
from vaultferry.operator.stopping import insist


def test_a_task_that_took_its_cancellation_back_is_cancelled_again() -> None:
    async def deaf() -> None:
        for _ in range(2):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue
        await asyncio.sleep(60)

    async def ended() -> bool:
        task = asyncio.create_task(deaf())
        await asyncio.sleep(0)
        task.cancel()
        insist([task], 0.01)
        await asyncio.wait([task])
        return task.cancelled()

    assert run(ended())
