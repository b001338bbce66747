"""What is checked of a Secret that is merged into: each of its rules can be broken."""

import pytest

from tests.model.history import SharedHistory, Violation
from tests.model.model import Declared
from tests.model.observer import Event
from tests.model.operations import encoded

A = {"a": "1", "b": "2"}
THEIRS = {"theirs": "by hand 1"}
GUEST = Declared(
    "guest",
    1,
    "Opaque",
    frozenset(A.items()),
    sealed=1,
    keys=frozenset(),
    merges=True,
)


def event(version: int, values: dict[str, str], **metadata: object) -> Event:
    kind = "ADDED" if version == 1 else "MODIFIED"
    known = {"name": "shared", "uid": "u", "resourceVersion": str(version)}
    body = {
        "metadata": known | metadata,
        "data": {key: encoded(value) for key, value in values.items()},
    }
    return Event(version, "secrets", kind, body)


@pytest.fixture
def history() -> SharedHistory:
    """Return what was seen of a Secret that somebody made, and of one who merges."""
    found = SharedHistory("ns", "shared")
    made = {"uid": "g", "resourceVersion": "2", "generation": 1}
    found.declared({"metadata": made}, GUEST)
    found.touched(event(1, {}).body)
    found.check(event(1, THEIRS))
    return found


def test_keys_of_one_declaration_may_come(history: SharedHistory) -> None:
    history.check(event(3, THEIRS | A))

    assert history.writes == 1


def test_none_may_come_in_part(history: SharedHistory) -> None:
    with pytest.raises(Violation, match="I1"):
        history.check(event(3, THEIRS | {"a": "1"}))


def test_none_may_go_while_somebody_wants_it(history: SharedHistory) -> None:
    history.check(event(3, THEIRS | A))

    with pytest.raises(Violation, match="I1"):
        history.check(event(4, THEIRS))


def test_what_others_have_set_may_not_change(history: SharedHistory) -> None:
    with pytest.raises(Violation, match="I3"):
        history.check(event(3, A))
    with pytest.raises(Violation, match="I3"):
        history.check(event(3, THEIRS | A, labels={"foreign": "1"}))


def test_the_secret_may_not_be_made(history: SharedHistory) -> None:
    history.removed("u")
    history.check(Event(3, "secrets", "DELETED", event(3, {}).body))

    with pytest.raises(Violation, match="I3"):
        history.check(event(4, A))
