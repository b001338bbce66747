"""The clock of everything that must not believe that no time has passed."""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def seconds() -> float:
    """Return seconds that only grow, also while the process or the machine sleeps.

    Linux alone counts the sleep of the machine; elsewhere only that of the process.
    """
    return time.clock_gettime(_CLOCK)
