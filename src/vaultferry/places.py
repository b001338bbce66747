"""Fetches from vaults: each place once for all that use it, and no more than is due.

A place is what one call answers: a config, a folder, an item. It is fetched for the
shortest interval of its users and when one of them wants it newer. What an answer, or
the lack of one, changes for a VaultSecret is told by waking it; nothing here waits for
anything but the vault.

Where a vault fails, its connection is left alone for a while: one call then tells
whether it is back, whatever the number of its places.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from math import inf
from secrets import token_bytes
from typing import NamedTuple

import structlog

from vaultferry.core import refresh
from vaultferry.core.backoff import OUTAGE_SECONDS, is_outage
from vaultferry.core.document import Document
from vaultferry.core.errors import Failure, VaultFailure
from vaultferry.core.provider import Session, Streaming
from vaultferry.core.shelf import Shelf
from vaultferry.core.urgency import Lane
from vaultferry.links import Answer, Link, Place
from vaultferry.views import Key

__all__ = ["Answer", "Around", "PlaceKey", "Places"]

log = structlog.get_logger()

# Between calls to a vault that does not answer, but after the first failure: most
# failures are over after a moment.
_PAUSE_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 5.0
# Of one connection: how soon its vault is taken at its word again that something
# changed; and how often if that goes on, after a few that were nearer to each other.
_TOLD_SECONDS = 5.0
_TOLD_EACH_SECONDS = 30.0
_TOLD_AHEAD_SECONDS = 5 * _TOLD_EACH_SECONDS
# No place: by it those of a connection are called that wait for its vault's limit.
_LINE = ""

DEFAULT_ROOM = 128 * 1024 * 1024

_CHANGED, _SAME = "changed", "unchanged"


class PlaceKey(NamedTuple):
    """A place of a vault, by the connection that leads there."""

    connection: Key
    place: str


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

    room: int = DEFAULT_ROOM
    """How many bytes of documents are kept."""


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
        self._links: dict[Key, Link] = {}
        self._used: dict[Key, frozenset[PlaceKey]] = {}
        self._stamps = count(1)
        self._needy: set[Key] = set()
        """VaultSecrets that wanted an answer, and have not come to read it."""

        self._shelf: Shelf[Place] = Shelf(around.room)
        self._secret = token_bytes(32)

    def __len__(self) -> int:
        return sum(len(link.places) for link in self._links.values())

    @property
    def kept(self) -> int:
        """How many bytes of documents are kept, about."""
        return self._shelf.size

    @property
    def in_line(self) -> int:
        """How many places wait because their vault lets few calls through."""
        return sum(len(link.allowance) for link in self._links.values())

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
        self._drop(connection)
        self._links[connection] = Link(version, session, heard)
        self._tell_used(connection)

    def disconnect(self, connection: Key) -> None:
        """Forget a session and all that it answered."""
        self._drop(connection)
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
                self._add_all(connection, link, [name])
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
        self._needy.discard(user)
        for left in self._used.get(user, frozenset()) - places.keys():
            self._leave(user, left)
        for key, interval in places.items():
            self._join(user, key, interval)
        self._used[user] = frozenset(places)

    def forget(self, user: Key) -> None:
        """Forget a VaultSecret, and the places that only it used."""
        self.use(user, {})
        del self._used[user]

    def namespace(self, key: PlaceKey) -> str:
        """Return the namespace for which a place is fetched first."""
        place = self._find(key)
        return place.namespace if place else key.connection.namespace

    def look(self, key: PlaceKey) -> Answer:
        """Return what is known of a place, without a call."""
        place = self._find(key)
        if place is None:
            return Answer()
        self._shelf.use(place)
        return place.answer

    def want(
        self, user: Key, key: PlaceKey, after: float, lane: Lane = Lane.URGENT
    ) -> None:
        """Have a user woken when there is an answer that was asked for after a time.

        Args:
            user: the VaultSecret; it uses the place.
            key: the place.
            after: by the monotonic clock; -inf: any answer will do.
            lane: in which the user is woken.
        """
        place = self._find(key)
        if place is None:
            return
        place.waiting[user] = lane
        place.wanted = max(place.wanted, after)
        self._needy.add(user)
        if place.dropped or (place.began == -inf and not place.failures):
            place.due = -inf
        if place.is_due(self._clock()):
            self._add(key, Lane.URGENT)

    async def __call__(self, key: PlaceKey) -> float:
        """Fetch a place if it is due; return the seconds until it is again, or inf."""
        link, place = self._links.get(key.connection), self._find(key)
        if link is None:
            return inf
        now = self._clock()
        if now < link.quiet_until and link.failure:
            return self._leave_alone(link, place, link.failure, now)
        if place is None:
            return self._call_up(key.connection, link, now)
        return await self._turn(key, link, place, now)

    async def _turn(self, key: PlaceKey, link: Link, place: Place, now: float) -> float:
        """Fetch a place if it is due and its turn; return the seconds until it is."""
        if wait := link.wait(key.place, now):
            return wait
        if not link.lets(key.place, now):
            self._add(PlaceKey(key.connection, _LINE), Lane.ROUTINE)
            return inf
        await self._fetch(key.connection, link, self._together(key, link, now))
        return max(0.0, place.due - self._clock())

    async def check(self, connection: Key) -> None:
        """See whether the vault of a connection answers, unless it is left alone."""
        link = self._links.get(connection)
        if link is None or self._clock() < link.quiet_until:
            return
        if link.allowance.budget.wait(self._clock(), is_first=False):
            return
        began = self._begin(link)
        link.allowance.budget.spend(began)
        try:
            await link.session.check()
        except VaultFailure as failure:
            self._blame(connection, link, failure, began)
        else:
            self._count("checked")
            self._answered(connection, link)
        finally:
            link.note(self._clock())

    def _call_up(self, connection: Key, link: Link, now: float) -> float:
        """Have those fetched whose turn it is; return the seconds until others' is."""
        called, wait = link.allowance.call_up(now)
        self._add_all(connection, link, called)
        return wait

    def _add_all(self, connection: Key, link: Link, names: Iterable[str]) -> None:
        for name in names:
            self._add(PlaceKey(connection, name), link.places[name].lane)

    def _together(self, key: PlaceKey, link: Link, now: float) -> list[str]:
        """Return a place and those that are fetched along; call for the next ones."""
        if link.batching is None:
            return [key.place]
        others, more = link.along(key.place, now), link.batching.batch - 1
        self._add_all(key.connection, link, others[more : more + 1])
        return [key.place, *others[:more]]

    async def _fetch(self, connection: Key, link: Link, names: list[str]) -> None:
        began = self._begin(link)
        places = {name: link.places[name] for name in names}
        for place in places.values():
            place.began, place.is_busy = began, True
        known = {name: place.answer.document for name, place in places.items()}
        try:
            found = await link.fetch(known)
        except VaultFailure as failure:
            self._blame(connection, link, failure, began)
            self._settle(connection, link, places, dict.fromkeys(names, failure), began)
        else:
            self._answered(connection, link)
            ended = self._settle(connection, link, places, found, began)
            # One call, by what says most of it.
            self._count(min(ended, key=lambda end: (end != _CHANGED, end == _SAME)))
        finally:
            link.note(self._clock())
            for name, place in places.items():
                link.allowance.forget(name)
                place.is_busy = False

    def _begin(self, link: Link) -> float:
        """Begin a call; where the vault fails, no other is made until this is over."""
        now = self._clock()
        if link.failure:
            link.quiet_until = now + _PAUSE_SECONDS
        return now

    def _blame(
        self, connection: Key, link: Link, failure: VaultFailure, began: float
    ) -> None:
        """Take in that a call failed which is the connection's fault.

        Calls that were under way when the first one failed say nothing new.
        """
        self._count(failure.reason)
        before, now = link.failure, self._clock()
        if before is None:
            link.failed = now
            # What they wait for now is the vault, as all others do.
            self._add_all(connection, link, link.allowance.dissolve())
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

    def _answered(self, connection: Key, link: Link) -> None:
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
                self._add_all(connection, link, [name])

    def _leave_alone(
        self, link: Link, place: Place | None, failure: VaultFailure, now: float
    ) -> float:
        """Take in that a place was not had because its vault is left alone.

        Returns:
            The seconds until it is looked at again.
        """
        if place is None:
            return link.quiet_until - now
        if place.is_due(now):
            self._failed(place, failure, now)
            # Who waits is told once, not again and again until it is over.
            place.due = self._told(link, place, now)
        return min(link.quiet_until, place.due) - now

    def _told(self, link: Link, place: Place, now: float) -> float:
        """Return when a place is looked at while its vault is left alone.

        When that is over; but a vault may ask for hours, so before if there is more to
        be told by then: that the failure lasts.
        """
        lasts = place.failing_since + OUTAGE_SECONDS
        is_told = place.answer.is_lasting or lasts <= now
        return link.quiet_until if is_told else min(lasts, link.quiet_until)

    def _failed(self, place: Place, failure: Failure, tried: float) -> None:
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
        link: Link,
        places: Mapping[str, Place],
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
                self._keep(PlaceKey(connection, name), place, one)
            place.due = self._next(PlaceKey(connection, name), link, place)
        return ended

    def _keep(self, key: PlaceKey, place: Place, document: Document) -> None:
        """Keep a document, and drop those used longest ago that there is no room for.

        What somebody is about to read stays: else two who wait could for ever take
        the room from each other.
        """
        if self._find(key) is place:
            self._shelf.put(place, document.size)
        for other in self._shelf.surplus(self._is_read):
            if other.answer.document:
                other.dropped = other.answer.document.digest(self._secret)
                other.answer = replace(other.answer, document=None)

    def _is_read(self, place: Place) -> bool:
        return self._needy.isdisjoint(place.users)

    def _take(self, place: Place, document: Document, asked: float) -> str:
        """Take in an answer; wake who waits, and all if anything is another now."""
        before = place.answer
        same = self._is_same(place, document)
        stamp = before.stamp if same else next(self._stamps)
        place.answer, place.failures = Answer(document, stamp, asked), 0
        place.dropped = None
        is_news = before.failure is not None or not same
        self._release(place, place.users if is_news else ())
        return _SAME if same else _CHANGED

    def _is_same(self, place: Place, document: Document) -> bool:
        """Tell whether all is as it was that a VaultSecret can take from a place."""
        before = place.answer.document
        if before is None:
            known = place.dropped
            return known is not None and known == document.digest(self._secret)
        return (before.values, before.origins) == (document.values, document.origins)

    def _release(self, place: Place, others: Collection[Key]) -> None:
        """Wake who waits, and others."""
        waiting, place.waiting = place.waiting, {}
        for user in {*waiting, *others}:
            self._wake(user, waiting.get(user, Lane.ROUTINE))

    def _join(self, user: Key, key: PlaceKey, interval: float) -> None:
        link = self._links.get(key.connection)
        if link is None:
            return
        is_first = not link.places
        place = link.places.setdefault(key.place, Place())
        if is_first:
            self._tell_used(key.connection)
        if place.users.get(user) == interval:
            return
        before = place.interval
        place.join(user, interval)
        is_settled = not place.failures and not place.waiting
        if place.interval != before and is_settled:
            place.due = self._next(key, link, place)
            self._add(key, Lane.LAST)

    def _leave(self, user: Key, key: PlaceKey) -> None:
        place, link = self._find(key), self._links.get(key.connection)
        if place is None or link is None:
            return
        place.leave(user)
        if not place.users:
            del link.places[key.place]
            self._shelf.drop(place)
            link.allowance.forget(key.place)
        if not link.places:
            self._tell_used(key.connection)

    def _drop(self, connection: Key) -> None:
        link = self._links.pop(connection, None)
        for place in link.places.values() if link else ():
            self._shelf.drop(place)

    def _find(self, key: PlaceKey) -> Place | None:
        link = self._links.get(key.connection)
        return link.places.get(key.place) if link else None

    def _next(self, key: PlaceKey, link: Link, place: Place) -> float:
        """Return when a place is due again by itself."""
        if place.failures and link.failure:
            return self._told(link, place, self._clock())
        if place.failures:
            return self._clock() + refresh.until_retry(place.interval)
        # What shares a call is due together.
        phase = key.connection if link.shares(key.place) else key
        wait = refresh.until(str(phase), place.interval, self._wall())
        return self._clock() + wait
