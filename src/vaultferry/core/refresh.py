"""When a place is fetched again: by the clock on the wall, so that a restart is none.

The phase is a hash of the place, so that what was first fetched together is spread
over the interval, and comes at the same times whichever process fetches it.
"""

import hashlib
import re
from math import inf

DEFAULT_SECONDS = 3600.0
FLOOR_SECONDS = 60.0

_DURATION = re.compile(r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
_SHORTEST_RETRY = 300.0
_LONGEST_RETRY = 3600.0


def seconds(interval: str | None) -> float:
    """Return `spec.refreshInterval` in seconds; inf where it says never (`0s`).

    What this version does not understand is taken for the default.
    """
    match = _DURATION.fullmatch(interval or "")
    if not interval or not match:
        return DEFAULT_SECONDS
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    total = float(hours * 3600 + minutes * 60 + rest)
    return max(total, FLOOR_SECONDS) if total else inf


def until(place: str, interval: float, now: float) -> float:
    """Return the seconds until a place is due.

    Args:
        place: names it.
        interval: between two fetches, in seconds; inf: it is never due.
        now: seconds since 1970.
    """
    if interval == inf:
        return inf
    digest = hashlib.sha256(place.encode()).digest()
    phase = int.from_bytes(digest[:8], "big") / 2**64 * interval
    return interval - (now - phase) % interval


def until_retry(interval: float) -> float:
    """Return the seconds until a place is tried again that needs a person."""
    return min(_LONGEST_RETRY, max(_SHORTEST_RETRY, interval))
