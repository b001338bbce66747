"""When a credential expires, where it says so itself, and when to warn of that."""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Any

LEAD_SECONDS = 7 * 24 * 3600.0
"""How long before its end a credential is warned of, unless it is short-lived."""

LATE_SECONDS = 3600.0
"""How late a warning is still given: a restart some day later repeats none."""

LOOK_SECONDS = 24 * 3600.0
"""How often the wall clock is looked at again, because somebody may set it."""

_SHARE = 5
"""A warning leaves at most this part of the time that there was."""

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d))?",
    re.ASCII,
)
_LAST = datetime.max.replace(tzinfo=UTC).timestamp() - 1


@dataclass(frozen=True)
class Expiry:
    """The end of one version of a credential, in seconds since 1970."""

    since: float
    """Since when the credential is there."""

    at: float

    @classmethod
    def of_status(cls, status: Mapping[str, Any]) -> "Expiry | None":
        """Read a status, which others may have written; None where it has no end."""
        at = seconds(status.get("expiresAt"))
        if at is None:
            return None
        since = seconds(status.get("updatedAt"))
        return cls(at if since is None else since, at)

    @property
    def warn_at(self) -> float:
        """When to warn: a week before, but not while most of the time is left."""
        lead = min(LEAD_SECONDS, (self.at - self.since) / _SHARE)
        return max(self.at - lead, self.since)


class Warned:
    """Tells once for each version of a credential that it is time; in memory only."""

    def __init__(self) -> None:
        self._told: dict[Hashable, Expiry] = {}

    def is_due(self, key: Hashable, expiry: Expiry, now: float) -> bool:
        """Tell whether to warn now, and take it that this is done."""
        if now < expiry.warn_at or self._told.get(key) == expiry:
            return False
        self._told[key] = expiry
        return now < expiry.warn_at + LATE_SECONDS

    def forget(self, key: Hashable) -> None:
        """Forget a key that is gone."""
        self._told.pop(key, None)


def wait(expiry: Expiry, now: float) -> float:
    """Return the seconds until it is to be looked at; inf once it was warned of."""
    return min(expiry.warn_at - now, LOOK_SECONDS) if now < expiry.warn_at else inf


def seconds(text: object) -> float | None:
    """Return a time of RFC 3339, or the begin of a day; None if it is neither."""
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    day, time, zone = found.groups()
    try:
        when = datetime.fromisoformat(f"{day}T{time or '00:00'}{zone or 'Z'}")
        return when.timestamp()
    except (ValueError, OverflowError):
        return None


def text(when: float) -> str:
    """Return a time in seconds since 1970 as RFC 3339, to the second."""
    return datetime.fromtimestamp(int(when), UTC).isoformat().replace("+00:00", "Z")


def number(found: object) -> float | None:
    """Return what JSON has as a time in seconds since 1970; None if it is none."""
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    return float(found) if 0 <= found <= _LAST else None
