"""Being told to stop: SIGTERM and SIGINT."""

import asyncio
import signal


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
