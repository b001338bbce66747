"""Documents of places for which there is not room enough."""

from math import inf

import pytest

from tests.test_places import CONNECTION, HOUR, World
from tests.test_vaults import VaultWorld, synced
from tests.vault import Vault
from vaultferry.core.document import Document
from vaultferry.places import PlaceKey
from vaultferry.views import Key

KIB = 1024
NAMES = [f"place-{number}" for number in range(20)]


class Recording(Vault):
    """A vault that notes for which places it was asked as a whole."""

    whole: list[str]

    async def fetch(self, place: str, known: Document | None) -> Document:
        if known is None:
            self.whole.append(place)
        return await super().fetch(place, known)


def crowded(room: int = 10 * 2 * KIB) -> World:
    """Return a world with room for ten of its twenty documents; all were read."""
    there = World(room=room)
    there.vault = Recording({name: {"A": bytes(KIB)} for name in NAMES})
    there.vault.whole = []
    there.connect()
    for name in NAMES:
        there.use(Key("team", name), name)
        there.want(Key("team", name), name)
        there.work()
        there.use(Key("team", name), name)
    return there


def whole(there: World) -> list[str]:
    """Return the places that were fetched unconditionally since this was asked."""
    assert isinstance(there.vault, Recording)
    found, there.vault.whole = there.vault.whole, []
    return found


def kept(there: World) -> list[str]:
    """Return the places whose documents are kept; each is used by being looked at."""
    looked = {name: there.places.look(PlaceKey(CONNECTION, name)) for name in NAMES}
    return [name for name, answer in looked.items() if answer.document]


def test_no_more_is_kept_than_there_is_room_for_and_the_oldest_goes_first() -> None:
    there = crowded()

    assert 8 * 2 * KIB < there.places.kept <= 10 * 2 * KIB
    found = kept(there)
    assert found == NAMES[-len(found) :]
    assert len(found) >= 10


def test_what_is_looked_at_again_and_again_stays() -> None:
    there = crowded(room=10 * 2 * KIB)
    first = kept(there)[0]
    for name in NAMES[:5]:
        there.places.look(PlaceKey(CONNECTION, first))
        there.want(Key("team", name), name, -inf)
        there.work(1.0)
        there.use(Key("team", name), name)

    assert there.places.look(PlaceKey(CONNECTION, first)).document
    assert len(kept(there)) < len(NAMES)


def test_what_was_dropped_is_fetched_as_a_whole_and_wakes_nobody_where_it_is_same() -> (
    None
):
    there = crowded()
    missing = set(NAMES) - set(kept(there))
    stamps = [there.places.look(PlaceKey(CONNECTION, name)).stamp for name in NAMES]
    whole(there)
    there.wakes()
    there.counted.clear()

    there.work(HOUR)

    assert missing <= set(whole(there))
    assert there.wakes() == set()
    assert there.counted == ["unchanged"] * 20
    assert stamps == [
        there.places.look(PlaceKey(CONNECTION, name)).stamp for name in NAMES
    ]


def test_a_change_of_what_was_dropped_is_noticed() -> None:
    there = crowded()
    changed = NAMES[0]
    assert changed not in kept(there)
    there.vault.holds[changed] = {"A": b"another"}
    there.wakes()
    there.work(HOUR)

    assert there.wakes() == {Key("team", changed)}


def test_who_wants_what_was_dropped_gets_it_at_once() -> None:
    there = crowded()
    there.wakes()
    there.want(Key("team", NAMES[0]), NAMES[0], -inf)
    there.work(1.0)

    assert there.wakes() == {Key("team", NAMES[0])}
    assert there.places.look(PlaceKey(CONNECTION, NAMES[0])).document


def test_what_somebody_is_about_to_read_stays_until_it_was() -> None:
    there = World("a", "b", room=1)
    user = Key("team", "both")
    there.use(user, "a", "b")
    for name in "ab":
        there.want(user, name)
        there.work()
    answers = [there.places.look(PlaceKey(CONNECTION, name)) for name in "ab"]
    assert all(answer.document for answer in answers)

    there.use(user, "a", "b")
    there.want(Key("team", "other"), "a", there.now + 2)
    there.work(5.0)
    assert there.places.look(PlaceKey(CONNECTION, "b")).document is None


def test_what_nobody_uses_any_more_takes_no_room() -> None:
    there = crowded()
    for name in NAMES[:-1]:
        there.places.forget(Key("team", name))
    assert there.places.kept < 2 * 2 * KIB

    assert there.places.kept > 0
    there.connect()
    assert there.places.kept == 0


def test_what_a_connection_answered_that_is_gone_takes_no_room() -> None:
    there = crowded()
    there.places.disconnect(CONNECTION)

    assert there.places.kept == 0


def test_an_answer_to_a_session_that_was_replaced_takes_no_room() -> None:
    there = World("a")
    there.use(Key("team", "a"), "a")
    there.vault.during = there.connect
    there.want(Key("team", "a"), "a")
    there.work(1.0)

    assert there.places.kept == 0


def test_a_secret_that_somebody_edited_is_made_right_though_its_values_were_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(VaultWorld, "room", 0)
    there = synced()
    there.fetch(3600.0)
    assert there.places.kept == 0
    before = len(there.vault.calls)

    there.edit_secret({"token": "eA=="})
    assert there.step().name == "waiting"
    there.fetch(5.0)
    assert there.step().name == "reported"

    assert there.data == {"token": b"one"}
    assert there.says == {"Ready": "Synced", "Fresh": "Synced"}
    assert len(there.vault.calls) == before + 1


def test_two_places_that_one_needs_do_not_take_the_room_from_each_other() -> None:
    values = {"A": bytes(KIB)}
    there = World("a", "b", room=KIB)
    there.vault.holds = {"a": values, "b": values}
    user = Key("team", "both")
    there.use(user, "a", "b")
    there.want(user, "a")
    there.work()
    # It comes to read, finds one of them, and asks for the other.
    there.use(user, "a", "b")
    there.want(user, "b")
    there.work()

    answers = [there.places.look(PlaceKey(CONNECTION, name)) for name in "ab"]
    assert all(answer.document for answer in answers)
