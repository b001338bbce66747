"""What is dropped where there is no room."""

from vaultferry.core.shelf import Shelf


def shelf(*keys: str, room: int) -> Shelf[str]:
    """Return one with things of ten bytes each."""
    found: Shelf[str] = Shelf(room)
    for key in keys:
        found.put(key, 10)
    return found


def dropped(there: Shelf[str], *stays: str) -> list[str]:
    return list(there.surplus(lambda key: key not in stays))


def test_as_long_as_there_is_room_nothing_goes() -> None:
    there = shelf("a", "b", room=20)

    assert (dropped(there), there.size) == ([], 20)


def test_what_was_used_longest_ago_goes_and_no_more_than_has_to() -> None:
    there = shelf("a", "b", "c", "d", room=25)
    there.use("a")
    there.use("unknown")

    assert (dropped(there), there.size) == (["b", "c"], 20)


def test_what_is_put_again_counts_once_and_is_used_by_that() -> None:
    there = shelf("a", "b", room=20)
    there.put("a", 15)

    assert (dropped(there), there.size) == (["b"], 15)


def test_what_may_not_go_stays_though_there_is_no_room() -> None:
    there = shelf("a", "b", "c", room=5)

    assert (dropped(there, "a", "c"), there.size) == (["b"], 20)


def test_what_is_kept_no_longer_takes_no_room() -> None:
    there = shelf("a", "b", room=10)
    there.drop("b")
    there.drop("b")

    assert (dropped(there), there.size) == ([], 10)
