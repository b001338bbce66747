"""Connections that are open: what is known of their places, and which share a call.

Where a vault answers several places by a call, the call for one that is due takes along
what else is: so those of a connection are due together, and none waits for a call to
fill.
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf

from vaultferry.core.allowance import Allowance
from vaultferry.core.document import Document
from vaultferry.core.errors import Failure, VaultFailure
from vaultferry.core.provider import Batching, Metered, Session, Streaming
from vaultferry.core.urgency import Lane
from vaultferry.views import Key

# Of one place: many who want it at a time are answered at once.
_SPACING_SECONDS = 1.0
# Places that share a call are collected for so long, from the first that is due; and
# the next of these calls is made so much later, because what has them limits calls.
_GATHER_SECONDS = 0.05


@dataclass(frozen=True, repr=False)
class Answer:
    """What is known of a place; without a `repr`, because it holds values."""

    document: Document | None = None
    stamp: int = 0
    """Another one where the values are others, or from elsewhere; 0: there never
    was a document."""

    asked: float = -inf
    """When the document was asked for that is at hand, or was found unchanged."""

    failure: Failure | None = None
    """Why the last attempt brought none, if it did not."""

    tried: float = -inf
    """When that attempt was made, or would have been but for the vault's failing."""

    is_lasting: bool = False
    """Whether that is worth to be told where the last good Secret is there."""


@dataclass(eq=False, repr=False)
class Place:
    """A place that VaultSecrets use."""

    users: dict[Key, float] = field(default_factory=dict)
    """VaultSecrets, each with its interval."""

    waiting: dict[Key, Lane] = field(default_factory=dict)
    """Those of them that cannot go on without an answer, and how urgent they are."""

    answer: Answer = Answer()
    dropped: bytes | None = None
    """The digest of its document, if that was had and there was no room for it."""

    began: float = -inf
    is_busy: bool = False
    """Whether it is being fetched, be it along with another one."""

    wanted: float = -inf
    due: float = inf
    failures: int = 0
    failing_since: float = 0.0
    _intervals: Counter[float] = field(default_factory=Counter)
    """How many users have each: they are few, whatever the number of users."""

    def join(self, user: Key, interval: float) -> None:
        """Have a user, or have its interval be another one."""
        self._uncount(user)
        self.users[user] = interval
        self._intervals[interval] += 1

    def leave(self, user: Key) -> None:
        """Have a user no longer."""
        self.waiting.pop(user, None)
        self._uncount(user)
        self.users.pop(user, None)

    def _uncount(self, user: Key) -> None:
        if user in self.users:
            interval = self.users[user]
            self._intervals[interval] -= 1
            if not self._intervals[interval]:
                del self._intervals[interval]

    @property
    def interval(self) -> float:
        """The shortest interval of its users."""
        return min(self._intervals, default=inf)

    @property
    def namespace(self) -> str:
        """The namespace for which it is fetched first, of those that use it."""
        return min(self.waiting or self.users).namespace

    @property
    def lane(self) -> Lane:
        """The lane in which it is fetched: what was never had goes first."""
        return Lane.ROUTINE if self.answer.stamp else Lane.URGENT

    def is_due(self, now: float) -> bool:
        """Tell whether it is to be fetched."""
        return self.wanted > self.began or self.due <= now

    def is_free(self, now: float) -> bool:
        """Tell whether it may be fetched along: it is due, and not asked for yet."""
        rested = now >= self.began + _SPACING_SECONDS
        return self.is_due(now) and rested and not self.is_busy


@dataclass(eq=False, repr=False)
class Link:
    """A connection that is open: its session, its health and its places."""

    version: Hashable
    session: Session
    heard: float
    places: dict[str, Place] = field(default_factory=dict)
    failure: VaultFailure | None = None
    failed: float = -inf
    """When the failure began."""

    quiet_until: float = -inf
    allowance: Allowance = field(default_factory=Allowance)
    opens: float = inf
    """When the places that share a call are fetched; inf: nobody said yet."""

    told: float = -inf
    """When the vault was last taken at its word that something changed."""

    told_until: float = -inf
    """How far ahead of its share it is by that."""

    @cached_property
    def batching(self) -> Batching | None:
        """The session, if places share its calls: to find that out takes long."""
        return self.session if isinstance(self.session, Batching) else None

    @cached_property
    def streaming(self) -> Streaming | None:
        """The session, if its vault is to be listened to."""
        session = self.session
        if isinstance(session, Streaming) and session.listens:
            return session
        return None

    @cached_property
    def _metered(self) -> Metered | None:
        return self.session if isinstance(self.session, Metered) else None

    def note(self, now: float) -> None:
        """Take in what the vault said of its limit with its last answer."""
        if self._metered:
            self.allowance.budget.note(self._metered.quota, now)

    def lets(self, name: str, now: float) -> bool:
        """Tell whether a place may be fetched now; else it stands in line for that."""
        place = self.places[name]
        return self.allowance.lets(name, place.namespace, place.lane, now)

    def shares(self, place: str) -> bool:
        """Tell whether a place shares its calls with others."""
        return self.batching is not None and self.batching.shares(place)

    def wait(self, name: str, now: float) -> float:
        """Return the seconds until a place is looked at again; 0: fetch it."""
        place = self.places[name]
        if not place.is_due(now):
            return place.due - now
        if now < place.began + _SPACING_SECONDS:
            return place.began + _SPACING_SECONDS - now
        if place.is_busy:
            return _SPACING_SECONDS
        return self._gathering(now) if self.shares(name) else 0.0

    def along(self, name: str, now: float) -> list[str]:
        """Return the other places that are due and share the call for one.

        There may be more of them than one call takes. Those that somebody waits for
        come first.
        """
        if not self.shares(name):
            return []
        due = [
            other
            for other, place in self.places.items()
            if other != name and place.is_free(now) and self.shares(other)
        ]
        return sorted(due, key=lambda other: not self.places[other].waiting)

    async def fetch(
        self, known: Mapping[str, Document | None]
    ) -> Mapping[str, Document | Failure]:
        """Return what places hold, or why one is not to be had, by one call.

        Raises:
            VaultFailure: the vault did not answer as it ought to.
        """
        if self.batching and len(known) > 1:
            return await self.batching.fetch_several(known)
        [(place, document)] = known.items()
        try:
            return {place: await self.session.fetch(place, document)}
        except VaultFailure:
            raise
        except Failure as failure:
            return {place: failure}

    def _gathering(self, now: float) -> float:
        """Return the seconds until a place is to ask again whether it is fetched.

        The first one is told when the call is made, and makes it; the others look
        whether they were fetched along.
        """
        if self.opens == inf:
            self.opens = now + _GATHER_SECONDS
            return _GATHER_SECONDS
        if now < self.opens:
            return _SPACING_SECONDS
        self.opens = inf
        return 0.0
