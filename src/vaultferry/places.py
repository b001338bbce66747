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
from functools import cached_property
from itertools import count
from math import inf
from typing import NamedTuple

import structlog

from vaultferry.core import refresh
from vaultferry.core.backoff import is_outage
from vaultferry.core.document import Document
from vaultferry.core.errors import Failure, VaultFailure
from vaultferry.core.provider import Batching, Session, Streaming
from vaultferry.core.urgency import Lane
from vaultferry.views import Key

log = structlog.get_logger()

# Of one place: many who want it at a time are answered at once.
_SPACING_SECONDS = 1.0
# Between calls to a vault that does not answer, but after the first failure: most
# failures are over after a moment.
_PAUSE_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 5.0
# Of one connection: how soon its vault is taken at its word again that something
# changed; and how often if that goes on, after a few that were nearer to each other.
_TOLD_SECONDS = 5.0
_TOLD_EACH_SECONDS = 30.0
_TOLD_AHEAD_SECONDS = 5 * _TOLD_EACH_SECONDS
# Places that share a call are collected for so long, from the first that is due; and
# the next of these calls is made so much later, because what has them limits calls.
_GATHER_SECONDS = 0.05

_CHANGED, _SAME = "changed", "unchanged"


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
    is_busy: bool = False
    """Whether it is being fetched, be it along with another one."""

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

    def shares(self, place: str) -> bool:
        """Tell whether a place shares its calls with others."""
        return self.batching is not None and self.batching.shares(place)


@dataclass(frozen=True)
class Around:
    """What surrounds the places: clocks, and who counts."""

    clock: Callable[[], float]
    """Monotonic, in seconds."""

    wall: Callable[[], float]
    """Seconds since 1970: by them a place is due, so that a restart moves nothing."""

    count: Callable[[str], None]
    """Is told how each call ended: `changed`, `unchanged`, `checked`, or a reason."""

    used: Callable[[Key], None] = lambda _: None
    """Is told of a connection that has another session, first users, or no more."""


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
        self._tell_used = around.used
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
        self._tell_used(connection)

    def disconnect(self, connection: Key) -> None:
        """Forget a session and all that it answered."""
        self._links.pop(connection, None)
        self._tell_used(connection)

    def streaming(self, connection: Key) -> Streaming | None:
        """Return the session whose vault is to be listened to; None: it is not.

        Nobody listens for those who use nothing.
        """
        link = self._links.get(connection)
        return link.streaming if link and link.places else None

    def refresh(self, connection: Key) -> float:
        """Have what a connection leads to fetched anew, as something changed there.

        What is never refreshed is not. Nothing is believed but that it is worth a look.

        Returns:
            The seconds to wait for that, because it was done just before; inf: done.
        """
        link, now = self._links.get(connection), self._clock()
        if link is None:
            return inf
        ahead = link.told_until - _TOLD_AHEAD_SECONDS
        if now < (earliest := max(link.told + _TOLD_SECONDS, ahead)):
            return earliest - now
        link.told = now
        link.told_until = max(link.told_until, now) + _TOLD_EACH_SECONDS
        for name, place in link.places.items():
            if place.interval < inf:
                place.wanted = now
                self._add(PlaceKey(connection, name), _lane(place))
        return inf

    def session(self, connection: Key) -> Session | None:
        """Return the session of a connection, for other calls than fetching.

        Raises:
            VaultFailure: its vault fails, and is left alone.
        """
        link = self._links.get(connection)
        if link and link.failure:
            raise link.failure
        return link.session if link else None

    def blame(self, connection: Key, failure: VaultFailure) -> None:
        """Take in that such a call failed, and have the connection looked after."""
        if link := self._links.get(connection):
            # It may have no place by which it is found to answer again.
            link.heard = -inf
            self._blame(connection, link, failure, self._clock())

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
        if place.began == -inf and not place.failures:
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
                # Who waits is told once, not again and again until it is over.
                place.due = link.quiet_until
            return link.quiet_until - now
        if wait := _wait(link, key.place, place, now):
            return wait
        await self._fetch(key.connection, link, self._together(key, link, now))
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

    def _together(self, key: PlaceKey, link: _Link, now: float) -> list[str]:
        """Return a place and those that are fetched along; call for the next ones."""
        if link.batching is None or not link.shares(key.place):
            return [key.place]
        due = [
            name
            for name, place in link.places.items()
            if name != key.place and _is_free(place, now) and link.shares(name)
        ]
        # Those that somebody waits for come first.
        due.sort(key=lambda name: not link.places[name].waiting)
        along = link.batching.batch - 1
        for name in due[along : along + 1]:
            self._add(PlaceKey(key.connection, name), _lane(link.places[name]))
        return [key.place, *due[:along]]

    async def _fetch(self, connection: Key, link: _Link, names: list[str]) -> None:
        began = self._begin(link)
        places = {name: link.places[name] for name in names}
        for place in places.values():
            place.began, place.is_busy = began, True
        known = {name: place.answer.document for name, place in places.items()}
        try:
            found = await _asked(link, known)
        except VaultFailure as failure:
            self._blame(connection, link, failure, began)
            self._settle(connection, link, places, dict.fromkeys(names, failure), began)
        else:
            self._answered(connection, link)
            ended = self._settle(connection, link, places, found, began)
            # One call, by what says most of it.
            self._count(min(ended, key=lambda end: (end != _CHANGED, end == _SAME)))
        finally:
            for place in places.values():
                place.is_busy = False

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
        link.quiet_until = max(link.quiet_until, quiet)
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

    def _settle(
        self,
        connection: Key,
        link: _Link,
        places: Mapping[str, _Place],
        found: Mapping[str, Document | Failure],
        asked: float,
    ) -> set[str]:
        """Take in what a call had for places; return how that is counted."""
        ended = set()
        for name, place in places.items():
            one = found[name]
            if isinstance(one, Failure):
                self._failed(place, one, asked)
                ended.add(one.reason)
            else:
                ended.add(self._take(place, one, asked))
            place.due = self._next(PlaceKey(connection, name), link, place)
        return ended

    def _take(self, place: _Place, document: Document, asked: float) -> str:
        """Take in an answer; wake who waits, and all if anything is another now."""
        before = place.answer
        same = before.document is not None and _is_same(before.document, document)
        stamp = before.stamp if same else next(self._stamps)
        place.answer, place.failures = Answer(document, stamp, asked), 0
        is_news = before.failure is not None or not same
        self._release(place, place.users if is_news else ())
        return _SAME if same else _CHANGED

    def _release(self, place: _Place, others: Collection[Key]) -> None:
        """Wake who waits, and others."""
        waiting, place.waiting = place.waiting, set()
        for user in {*waiting, *others}:
            self._wake(user, Lane.URGENT if user in waiting else Lane.ROUTINE)

    def _join(self, user: Key, key: PlaceKey, interval: float) -> None:
        link = self._links.get(key.connection)
        if link is None:
            return
        is_first = not link.places
        place = link.places.setdefault(key.place, _Place())
        if is_first:
            self._tell_used(key.connection)
        if place.users.get(user) == interval:
            return
        before = place.interval
        place.users[user] = interval
        if place.interval != before and not place.failures:
            place.due = self._next(key, link, place)
            self._add(key, Lane.LAST)

    def _leave(self, user: Key, key: PlaceKey) -> None:
        place, link = self._find(key), self._links.get(key.connection)
        if place is None or link is None:
            return
        place.users.pop(user, None)
        place.waiting.discard(user)
        if not place.users:
            del link.places[key.place]
        if not link.places:
            self._tell_used(key.connection)

    def _find(self, key: PlaceKey) -> _Place | None:
        link = self._links.get(key.connection)
        return link.places.get(key.place) if link else None

    def _next(self, key: PlaceKey, link: _Link, place: _Place) -> float:
        """Return when a place is due again by itself."""
        if place.failures and link.failure:
            return link.quiet_until
        if place.failures:
            return self._clock() + refresh.until_retry(place.interval)
        # What shares a call is due together.
        phase = key.connection if link.shares(key.place) else key
        wait = refresh.until(str(phase), place.interval, self._wall())
        return self._clock() + wait


def _lane(place: _Place) -> Lane:
    """Return the lane of a place: what was never had goes first."""
    return Lane.ROUTINE if place.answer.document else Lane.URGENT


def _is_same(one: Document, other: Document) -> bool:
    """Tell whether all is the same that a VaultSecret can take from documents."""
    return (one.values, one.origins) == (other.values, other.origins)


def _is_due(place: _Place, now: float) -> bool:
    return place.wanted > place.began or place.due <= now


def _is_free(place: _Place, now: float) -> bool:
    """Tell whether a place may be fetched along: it is due, and not asked for yet."""
    rested = now >= place.began + _SPACING_SECONDS
    return _is_due(place, now) and rested and not place.is_busy


def _wait(link: _Link, name: str, place: _Place, now: float) -> float:
    """Return the seconds until a place is looked at again; 0: it is to be fetched."""
    if not _is_due(place, now):
        return place.due - now
    if now < place.began + _SPACING_SECONDS:
        return place.began + _SPACING_SECONDS - now
    if place.is_busy:
        return _SPACING_SECONDS
    return _gathering(link, now) if link.shares(name) else 0.0


def _gathering(link: _Link, now: float) -> float:
    """Return the seconds until a place is to ask again whether it is fetched.

    The first one is told when the call is made, and makes it; the others look whether
    they were fetched along.
    """
    if link.opens == inf:
        link.opens = now + _GATHER_SECONDS
        return _GATHER_SECONDS
    if now < link.opens:
        return _SPACING_SECONDS
    link.opens = inf
    return 0.0


async def _asked(
    link: _Link, known: Mapping[str, Document | None]
) -> Mapping[str, Document | Failure]:
    """Return what places hold, or why one is not to be had.

    Raises:
        VaultFailure: the vault did not answer as it ought to.
    """
    if link.batching and len(known) > 1:
        return await link.batching.fetch_several(known)
    [(place, document)] = known.items()
    try:
        return {place: await link.session.fetch(place, document)}
    except VaultFailure:
        raise
    except Failure as failure:
        return {place: failure}
