"""How late the event loop is."""

import asyncio
import time
from functools import partial

import pytest

from tests.running import run
from vaultferry.operator import lag


@pytest.mark.parametrize("busy", [0.0, 0.3], ids=["idle", "blocked"])
def test_a_loop_is_as_late_as_it_was_blocked(
    monkeypatch: pytest.MonkeyPatch, busy: float
) -> None:
    monkeypatch.setattr(lag, "EVERY_SECONDS", 0.05)

    async def story() -> float:
        told: asyncio.Queue[float] = asyncio.Queue()
        async with lag.sampled(told.put_nowait):
            loop = asyncio.get_running_loop()
            loop.call_later(0.01, partial(time.sleep, busy))
            return await told.get()

    assert busy - 0.05 <= run(story()) < busy + 5


def test_of_sampling_nothing_stays() -> None:
    async def story() -> int:
        async with lag.sampled(print):
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert run(story()) == 1
