"""Keeps work back until what decides about it is known."""

from collections.abc import Callable

from vaultferry.core.urgency import Lane
from vaultferry.operator.scopes import Scopes
from vaultferry.views import Key


class Gate:
    """Passes keys on once the list of Secrets of their scope is complete.

    Before that a Secret that is not in view may be anything. One scope that cannot be
    listed holds up no other.
    """

    def __init__(self, scopes: Scopes, add: Callable[[Key, Lane], None]) -> None:
        self._add = add
        self._kept: dict[str | None, dict[Key, Lane]] = {each: {} for each in scopes}

    def add(self, key: Key, lane: Lane) -> None:
        """Pass a key on, or keep it, in the most urgent lane that it came for."""
        for scope in (None, key.namespace):
            if scope in self._kept:
                kept = self._kept[scope]
                kept[key] = min(lane, kept.get(key, lane))
                return
        self._add(key, lane)

    def open(self, scope: str | None) -> None:
        """Pass on what was kept of a scope, and all that comes."""
        for key, lane in self._kept.pop(scope).items():
            self._add(key, lane)
