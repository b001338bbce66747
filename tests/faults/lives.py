"""The lives of a VaultSecret through which the operator is killed.

A new one is one more entry in `LIVES`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.history import Body, Version
from tests.faults.stage import Stage, Values, data, is_ready

BEFORE = {"username": "ferry", "password": "before"}
AFTER = {"username": "boat", "password": "after", "token": "new"}
BY_HAND = {"username": "ferry", "password": "by hand"}
LESS = {"username": "ferry"}
HOST = {"kept": "of somebody else"}


@dataclass(frozen=True)
class Life:
    """What a person does to a VaultSecret, and what its Secret may hold then."""

    act: Callable[[Stage], Body | None]
    """Does it; returns the object as it is afterwards, if it is still there."""

    begins: Values | None
    """What was realised before; None where there was no VaultSecret."""

    ends: Values | None
    """What the Secret holds in the end; None where it is gone."""

    by_hand: Values | None = None
    """What a person wrote into the Secret."""

    requests: int = 0
    """What the operator has to ask for at least, reads included."""

    merges: bool = False
    """Whether it all happens in a Secret of somebody else, beside `HOST`."""

    @property
    def generations(self) -> list[Values]:
        """All that the Secret may ever hold."""
        own = [v for v in (self.begins, self.by_hand, self.ends) if v is not None]
        return [HOST, *({**HOST, **v} for v in own)] if self.merges else own

    def realised(self, generation: int) -> Values | None:
        """Return what the Secret of a generation of the VaultSecret holds."""
        later = self.begins is None or generation > 1
        return self._held(self.ends if later else self.begins)

    def prepare(self, stage: Stage) -> None:
        """Have what was there before."""
        stage.build()
        if self.merges:
            stage.host(HOST)
        if self.begins is not None:
            made = stage.create(self.begins, "Merge" if self.merges else "Owner")
            wait(stage, self._course(stage, self.begins, made).is_done)

    def happens(self, stage: Stage) -> "Course":
        """Do what a person does; return how it goes on."""
        return self._course(stage, self.ends, self.act(stage))

    def _course(
        self, stage: Stage, ends: Values | None, acted: Body | None
    ) -> "Course":
        revision = int(acted["metadata"]["resourceVersion"]) if acted else 0
        return Course(stage, self._held(ends), revision, stays=ends is not None)

    def _held(self, own: Values | None) -> Values | None:
        """Return what is in the Secret where these values of ours are."""
        return {**HOST, **(own or {})} if self.merges else own


@dataclass(frozen=True)
class Course:
    """What follows from something that a person did."""

    stage: Stage
    ends: Values | None
    """What the Secret has to hold; None where it has to be gone."""

    since: int
    """The resourceVersion of what the person wrote."""

    stays: bool = True
    """Whether the VaultSecret is still there."""

    def is_right(self) -> bool:
        """Tell whether all that a user sees is as it ought to be."""
        secrets, resources = self.stage.secret(), self.stage.vaultsecret()
        if not secrets or not resources or not self._holds(secrets[-1]):
            return False
        if not self.stays:
            return resources[-1].kind == "DELETED"
        is_seen = max(secrets[-1].revision, resources[-1].revision) >= self.since
        return is_seen and is_ready(resources[-1])

    def is_done(self) -> bool:
        """Tell whether the status moreover speaks of this very Secret."""
        if not self.is_right() or not self.stays:
            return self.is_right()
        status = self.stage.vaultsecret()[-1].body["status"]
        held: str = self.stage.secret()[-1].body["metadata"]["resourceVersion"]
        return bool(status["syncedSecret"]["resourceVersion"] == held)

    def _holds(self, secret: Version) -> bool:
        if secret.kind == "DELETED":
            return self.ends is None
        return data(secret) == self.ends


def wait(stage: Stage, check: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for the history."""
    where = stage.namespace
    assert stage.history.wait(check, seconds), f"{where}: not within {seconds} s"


def deleted(stage: Stage) -> None:
    stage.delete()


def lost(stage: Stage) -> None:
    stage.lose()
    wait(stage, lambda: any(v.kind == "DELETED" for v in stage.secret()))


LIVES = {
    "create": Life(lambda s: s.create(BEFORE), None, BEFORE, requests=2),
    "update": Life(lambda s: s.update(AFTER), BEFORE, AFTER, requests=2),
    "reseal": Life(lambda s: s.update(BEFORE), BEFORE, BEFORE, requests=2),
    "drift": Life(lambda s: s.edit(BY_HAND), BEFORE, BEFORE, BY_HAND, requests=3),
    "lost": Life(lost, begins=BEFORE, ends=BEFORE, requests=3),
    "delete": Life(deleted, begins=BEFORE, ends=None),
    "merge": Life(
        lambda s: s.create(BEFORE, "Merge"), None, BEFORE, requests=3, merges=True
    ),
    "merge-update": Life(
        lambda s: s.update(AFTER), BEFORE, AFTER, requests=3, merges=True
    ),
    "merge-drift": Life(
        lambda s: s.take("password"), BEFORE, BEFORE, LESS, requests=3, merges=True
    ),
    "merge-delete": Life(deleted, begins=BEFORE, ends=None, requests=2, merges=True),
}
