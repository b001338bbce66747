"""How long to wait after failures in a row."""

FIRST = 1.0
LONGEST = 300.0

OUTAGE_SECONDS = 60.0
"""How long an outage lasts at least, rather than a blip."""

_OUTAGE_FAILURES = 2


def delay(failures: int, chance: float, first: float = FIRST) -> float:
    """Return the seconds to wait after so many failures in a row.

    Doubles up to `LONGEST`, and is spread over its upper half, so that what failed
    together does not come back together.

    Args:
        failures: how many, from 1.
        chance: a random number from 0 to 1.
        first: the longest wait after the first failure.
    """
    longest = min(LONGEST, first * 2.0 ** min(failures - 1, 32))
    return longest * (0.5 + 0.5 * chance)


def is_outage(failures: int, seconds: float) -> bool:
    """Tell whether failed refreshes are worth a status write, rather than a blip.

    Args:
        failures: how many in a row.
        seconds: since the first of them.
    """
    return failures >= _OUTAGE_FAILURES and seconds >= OUTAGE_SECONDS
