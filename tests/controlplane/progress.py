"""Show that something slow is going on, without a word when it is quick."""

import sys
import threading
import time
from types import TracebackType
from typing import Self

QUIET_SECONDS = 1.0
TERMINAL_SECONDS = 0.5
PLAIN_SECONDS = 15.0
WIDTH = 79


class Progress:
    """One updating line on a terminal, a plain line now and then elsewhere."""

    def __init__(self, activity: str) -> None:
        self.detail = ""
        self._activity = activity
        self._started = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._shown = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        if self._shown:
            self.detail = "done" if error is None else "stopped"
            self._show(end="\n")

    def _tick(self) -> None:
        pause = TERMINAL_SECONDS if self._terminal else PLAIN_SECONDS
        wait = QUIET_SECONDS
        while not self._done.wait(wait):
            self._show(end="" if self._terminal else "\n")
            wait = pause

    def _show(self, end: str) -> None:
        self._shown = True
        seconds = time.monotonic() - self._started
        line = f"{self._activity}: {seconds:.0f} s, {self.detail}".rstrip(", ")
        if self._terminal:
            line = f"\r{line[:WIDTH]:<{WIDTH}}"
        print(line, end=end, file=sys.stderr, flush=True)
