"""The lives of a VaultSecret through which the operator is killed.

A new one is one more entry in `LIVES`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.history import Body
from tests.faults.stage import Stage, Values, data, is_ready

BEFORE = {"username": "ferry", "password": "before"}
AFTER = {"username": "boat", "password": "after", "token": "new"}
BY_HAND = {"username": "ferry", "password": "by hand"}


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

    @property
    def generations(self) -> list[Values]:
        """All that the Secret may ever hold."""
        held = (self.begins, self.by_hand, self.ends)
        return [values for values in held if values is not None]

    def realised(self, generation: int) -> Values | None:
        """Return what the Secret of a generation of the VaultSecret holds."""
        return self.ends if self.begins is None or generation > 1 else self.begins

    def prepare(self, stage: Stage) -> None:
        """Have what was there before."""
        stage.build()
        if self.begins is not None:
            made = stage.create(self.begins)
            revision = int(made["metadata"]["resourceVersion"])
            wait(stage, Course(stage, self.begins, revision).is_done)

    def happens(self, stage: Stage) -> "Course":
        """Do what a person does; return how it goes on."""
        acted = self.act(stage)
        revision = int(acted["metadata"]["resourceVersion"]) if acted else 0
        return Course(stage, self.ends, revision)


@dataclass(frozen=True)
class Course:
    """What follows from something that a person did."""

    stage: Stage
    ends: Values | None
    """What the Secret has to hold; None where it has to be gone."""

    since: int
    """The resourceVersion of what the person wrote."""

    def is_right(self) -> bool:
        """Tell whether all that a user sees is as it ought to be."""
        secrets, resources = self.stage.secret(), self.stage.vaultsecret()
        if not secrets or not resources:
            return False
        secret, resource = secrets[-1], resources[-1]
        if self.ends is None:
            return secret.kind == resource.kind == "DELETED"
        is_seen = max(secret.revision, resource.revision) >= self.since
        is_there = secret.kind != "DELETED" and data(secret) == self.ends
        return is_seen and is_there and is_ready(resource)

    def is_done(self) -> bool:
        """Tell whether the status moreover speaks of this very Secret."""
        if not self.is_right() or self.ends is None:
            return self.is_right()
        status = self.stage.vaultsecret()[-1].body["status"]
        held: str = self.stage.secret()[-1].body["metadata"]["resourceVersion"]
        return bool(status["syncedSecret"]["resourceVersion"] == held)


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
    "create": Life(lambda stage: stage.create(BEFORE), begins=None, ends=BEFORE),
    "update": Life(lambda stage: stage.update(AFTER), begins=BEFORE, ends=AFTER),
    "drift": Life(lambda s: s.edit(BY_HAND), BEFORE, BEFORE, by_hand=BY_HAND),
    "lost": Life(lost, begins=BEFORE, ends=BEFORE),
    "delete": Life(deleted, begins=BEFORE, ends=None),
}
