"""An event loop in a thread of its own, beside a test that knows nothing of it."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

_CALL_SECONDS = 60


class Looped:
    """Calls coroutines from a thread that has no loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Run the loop meanwhile."""
        thread = threading.Thread(target=self._loop.run_forever, name=name)
        thread.start()
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(_CALL_SECONDS)
            self._loop.close()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop; return what it returns."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return future.result(_CALL_SECONDS)
