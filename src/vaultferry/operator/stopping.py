"""Being told to stop, by SIGTERM and SIGINT, and stopping for sure."""

import asyncio
import signal
from collections.abc import Collection
from typing import Any

_INSIST_SECONDS = 1.0


def handle_signals(stop: asyncio.Event) -> None:
    """Have SIGTERM and SIGINT set an event from now on."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait for so long, or until told to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def insist(
    tasks: Collection[asyncio.Task[Any]], seconds: float = _INSIST_SECONDS
) -> None:
    """Cancel tasks that were cancelled, and go on, until none does.

    aiohttp takes a cancellation for its own where the time of a request is over in the
    same moment, as it is for all of them after a pause of the process: its timer
    stands around a request twice, and takes back one cancellation each time.
    """

    def again() -> None:
        if going := [task for task in tasks if not task.done()]:
            for task in going:
                task.cancel()
            insist(going, seconds)

    # Not a task: that would have to be ended as well.
    asyncio.get_running_loop().call_later(seconds, again)
