"""The clock of everything that must not believe that no time has passed."""

import time
from datetime import UTC, datetime

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def seconds() -> float:
    """Return seconds that only grow, also while the process or the machine sleeps.

    Linux alone counts the sleep of the machine; elsewhere only that of the process.
    """
    return time.clock_gettime(_CLOCK)


def now() -> str:
    """Return the present time by the wall clock, RFC 3339."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
