"""Fetches from vaults: each place once for all that use it, and no more than is due.

A place is what one call answers: a config, a folder, an item. It is fetched for the
shortest interval of its users and when one of them wants it newer. What an answer, or
the lack of one, changes for a VaultSecret is told by waking it; nothing here waits for
anything but the vault.

Where a vault fails, its connection is left alone for a while: one call then tells
whether it is back, whatever the number of its places.
"""

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from math import inf
from typing import NamedTuple

import structlog

from vaultferry.core import refresh
from vaultferry.core.backoff import is_outage
from vaultferry.core.document import Document
from vaultferry.core.errors import Failure, VaultFailure
from vaultferry.core.provider import Session
from vaultferry.core.urgency import Lane
from vaultferry.views import Key

log = structlog.get_logger()

# Of one place: many who want it at a time are answered at once.
_SPACING_SECONDS = 1.0
# Between calls to a vault that does not answer, but after the first failure: most
# failures are over after a moment.
_PAUSE_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 5.0


class PlaceKey(NamedTuple):
    """A place of a vault, by the connection that leads there."""

    connection: Key
    place: str


@dataclass(frozen=True, repr=False)
class Answer:
    """What is known of a place; without a `repr`, because it holds values."""

    document: Document | None = None
    stamp: int = 0
    """Another one where the values are others, or from elsewhere; 0: there is no
    document."""

    asked: float = -inf
    """When the document was asked for that is at hand, or was found unchanged."""

    failure: Failure | None = None
    """Why the last attempt brought none, if it did not."""

    tried: float = -inf
    """When that attempt was made, or would have been but for the vault's failing."""

    is_lasting: bool = False
    """Whether that is worth to be told where the last good Secret is there."""


@dataclass(eq=False, repr=False)
class _Place:
    users: dict[Key, float] = field(default_factory=dict)
    """VaultSecrets, each with its interval."""

    waiting: set[Key] = field(default_factory=set)
    """Those of them that cannot go on without an answer."""

    answer: Answer = Answer()
    began: float = -inf
    wanted: float = -inf
    due: float = inf
    failures: int = 0
    failing_since: float = 0.0

    @property
    def interval(self) -> float:
        return min(self.users.values(), default=inf)


@dataclass(eq=False, repr=False)
class _Link:
    """A connection that is open: its session, its health and its places."""

    version: Hashable
    session: Session
    heard: float
    places: dict[str, _Place] = field(default_factory=dict)
    failure: VaultFailure | None = None
    failed: float = -inf
    """When the failure began."""

    quiet_until: float = -inf


@dataclass(frozen=True)
class Around:
    """What surrounds the places: clocks, and who counts."""

    clock: Callable[[], float]
    """Monotonic, in seconds."""

    wall: Callable[[], float]
    """Seconds since 1970: by them a place is due, so that a restart moves nothing."""

    count: Callable[[str], None]
    """Is told how each call ended: `changed`, `unchanged`, `checked`, or a reason."""


class Places:
    """The places that VaultSecrets use, and what is known of them."""

    def __init__(
        self,
        add: Callable[[PlaceKey, Lane], None],
        wake: Callable[[Key, Lane], None],
        tell: Callable[[Key], None],
        around: Around,
    ) -> None:
        """Begin empty.

        Args:
            add: has a place worked on, by calling this object.
            wake: has a VaultSecret reconciled.
            tell: is told of a connection whose health changed.
            around: clocks, and who counts.
        """
        self._add = add
        self._wake = wake
        self._tell = tell
        self._clock = around.clock
        self._wall = around.wall
        self._count = around.count
        self._links: dict[Key, _Link] = {}
        self._used: dict[Key, frozenset[PlaceKey]] = {}
        self._stamps = count(1)

    def __len__(self) -> int:
        return sum(len(link.places) for link in self._links.values())

    def version(self, connection: Key) -> Hashable:
        """Return what the session of a connection was opened with; None: no session."""
        link = self._links.get(connection)
        return link.version if link else None

    def connect(
        self, connection: Key, version: Hashable, session: Session, heard: float
    ) -> None:
        """Take a session, in place of an earlier one and all that this answered.

        Who is to use it has to say so again.

        Args:
            connection: the key of the VaultConnection.
            version: what the session was opened with.
            session: the session.
            heard: when its vault last answered well; -inf: nobody knows.
        """
        self._links[connection] = _Link(version, session, heard)

    def disconnect(self, connection: Key) -> None:
        """Forget a session and all that it answered."""
        self._links.pop(connection, None)

    def health(self, connection: Key) -> VaultFailure | None:
        """Return why the vault of a connection fails, if it does."""
        link = self._links.get(connection)
        return link.failure if link else None

    def heard(self, connection: Key) -> float:
        """Return when the vault of a connection last answered well."""
        link = self._links.get(connection)
        return link.heard if link else -inf

    def use(self, user: Key, places: Mapping[PlaceKey, float]) -> None:
        """Say which places a VaultSecret uses, each with an interval in seconds."""
        for left in self._used.get(user, frozenset()) - places.keys():
            self._leave(user, left)
        for key, interval in places.items():
            self._join(user, key, interval)
        self._used[user] = frozenset(places)

    def forget(self, user: Key) -> None:
        """Forget a VaultSecret, and the places that only it used."""
        for key in self._used.pop(user, frozenset()):
            self._leave(user, key)

    def look(self, key: PlaceKey) -> Answer:
        """Return what is known of a place, without a call."""
        place = self._find(key)
        return place.answer if place else Answer()

    def want(self, user: Key, key: PlaceKey, after: float) -> None:
        """Have a user woken when there is an answer that was asked for after a time.

        Args:
            user: the VaultSecret; it uses the place.
            key: the place.
            after: by the monotonic clock; -inf: any answer will do.
        """
        place = self._find(key)
        if place is None:
            return
        place.waiting.add(user)
        place.wanted = max(place.wanted, after)
        if place.began == -inf:
            place.due = -inf
        if _is_due(place, self._clock()):
            self._add(key, Lane.URGENT)

    async def __call__(self, key: PlaceKey) -> float:
        """Fetch a place if it is due; return the seconds until it is again, or inf."""
        link, place = self._links.get(key.connection), self._find(key)
        if link is None or place is None:
            return inf
        now = self._clock()
        if now < link.quiet_until and link.failure:
            if _is_due(place, now):
                self._failed(place, link.failure, now)
            return link.quiet_until - now
        if not _is_due(place, now):
            return place.due - now
        if now < place.began + _SPACING_SECONDS:
            return place.began + _SPACING_SECONDS - now
        await self._fetch(key, link, place)
        return max(0.0, place.due - self._clock())

    async def check(self, connection: Key) -> None:
        """See whether the vault of a connection answers, unless it is left alone."""
        link = self._links.get(connection)
        if link is None or self._clock() < link.quiet_until:
            return
        began = self._begin(link)
        try:
            await link.session.check()
        except VaultFailure as failure:
            self._blame(connection, link, failure, began)
        else:
            self._count("checked")
            self._answered(connection, link)

    async def _fetch(self, key: PlaceKey, link: _Link, place: _Place) -> None:
        began = place.began = self._begin(link)
        try:
            document = await link.session.fetch(key.place, place.answer.document)
        except VaultFailure as failure:
            self._blame(key.connection, link, failure, began)
            self._failed(place, failure, began)
            place.due = link.quiet_until
        except Failure as failure:
            self._count(failure.reason)
            self._answered(key.connection, link)
            self._failed(place, failure, began)
            place.due = self._clock() + refresh.until_retry(place.interval)
        else:
            self._answered(key.connection, link)
            self._take(place, document, began)
            place.due = self._next(key, place)

    def _begin(self, link: _Link) -> float:
        """Begin a call; where the vault fails, no other is made until this is over."""
        now = self._clock()
        if link.failure:
            link.quiet_until = now + _PAUSE_SECONDS
        return now

    def _blame(
        self, connection: Key, link: _Link, failure: VaultFailure, began: float
    ) -> None:
        """Take in that a call failed which is the connection's fault.

        Calls that were under way when the first one failed say nothing new.
        """
        self._count(failure.reason)
        before, now = link.failure, self._clock()
        if before is None:
            link.failed = now
        is_again = before is not None and began > link.failed
        pause = _PAUSE_SECONDS if is_again else _FIRST_PAUSE_SECONDS
        quiet = now + max(pause, failure.wait)
        link.quiet_until = max(link.quiet_until, quiet) if is_again else quiet
        link.failure = failure
        if before is None or before.reason != failure.reason:
            log.warning(
                "vault fails",
                connection=str(connection),
                reason=failure.reason,
                detail=failure.detail,
            )
            self._tell(connection)

    def _answered(self, connection: Key, link: _Link) -> None:
        link.heard = self._clock()
        link.quiet_until = -inf
        if link.failure is None:
            return
        link.failure = None
        log.info("vault answers again", connection=str(connection))
        self._tell(connection)
        for name, place in link.places.items():
            if place.failures:
                place.due = -inf
                self._add(PlaceKey(connection, name), _lane(place))

    def _failed(self, place: _Place, failure: Failure, tried: float) -> None:
        """Take in that a place was not had; wake who waits, and all if that lasts."""
        now, before = self._clock(), place.answer
        if not place.failures:
            place.failing_since = now
        place.failures += 1
        lasting = not failure.retry or is_outage(
            place.failures, now - place.failing_since
        )
        place.answer = replace(before, failure=failure, tried=tried, is_lasting=lasting)
        known = before.is_lasting and before.failure
        is_news = lasting and not (known and known.reason == failure.reason)
        self._release(place, place.users if is_news else ())

    def _take(self, place: _Place, document: Document, asked: float) -> None:
        """Take in an answer; wake who waits, and all if anything is another now."""
        before = place.answer
        same = before.document is not None and _is_same(before.document, document)
        stamp = before.stamp if same else next(self._stamps)
        place.answer, place.failures = Answer(document, stamp, asked), 0
        self._count("unchanged" if same else "changed")
        is_news = before.failure is not None or not same
        self._release(place, place.users if is_news else ())

    def _release(self, place: _Place, others: Collection[Key]) -> None:
        """Wake who waits, and others."""
        waiting, place.waiting = place.waiting, set()
        for user in {*waiting, *others}:
            self._wake(user, Lane.URGENT if user in waiting else Lane.ROUTINE)

    def _join(self, user: Key, key: PlaceKey, interval: float) -> None:
        link = self._links.get(key.connection)
        if link is None:
            return
        place = link.places.setdefault(key.place, _Place())
        if place.users.get(user) == interval:
            return
        before = place.interval
        place.users[user] = interval
        if place.interval != before and not place.failures:
            place.due = self._next(key, place)
            self._add(key, Lane.LAST)

    def _leave(self, user: Key, key: PlaceKey) -> None:
        place, link = self._find(key), self._links.get(key.connection)
        if place is None or link is None:
            return
        place.users.pop(user, None)
        place.waiting.discard(user)
        if not place.users:
            del link.places[key.place]

    def _find(self, key: PlaceKey) -> _Place | None:
        link = self._links.get(key.connection)
        return link.places.get(key.place) if link else None

    def _next(self, key: PlaceKey, place: _Place) -> float:
        wait = refresh.until(str(key), place.interval, self._wall())
        return self._clock() + wait


def _lane(place: _Place) -> Lane:
    """Return the lane of a place: what was never had goes first."""
    return Lane.ROUTINE if place.answer.document else Lane.URGENT


def _is_same(one: Document, other: Document) -> bool:
    """Tell whether all is the same that a VaultSecret can take from documents."""
    return (one.values, one.origins) == (other.values, other.origins)


def _is_due(place: _Place, now: float) -> bool:
    return place.wanted > place.began or place.due <= now
