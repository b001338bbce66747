"""Who asks too often has to wait, and nobody else has."""

from vaultferry.core.ratelimit import RateLimit


def test_a_burst_passes_and_then_one_every_so_many_seconds() -> None:
    limit = RateLimit(burst=3, seconds=10, keys=9)

    taken = [now for now in range(40) if limit.take("a", float(now))]

    assert taken == [0, 1, 2, 10, 20, 30]


def test_after_a_long_rest_the_burst_is_whole_again() -> None:
    limit = RateLimit(burst=2, seconds=10, keys=9)
    assert [limit.take("a", 0) for _ in range(3)] == [True, True, False]

    assert [limit.take("a", 1000) for _ in range(3)] == [True, True, False]


def test_a_refusal_costs_nothing() -> None:
    limit = RateLimit(burst=1, seconds=10, keys=9)
    limit.take("a", 0)

    assert not any(limit.take("a", now) for now in range(1, 10))
    assert limit.take("a", 10)


def test_keys_do_not_disturb_each_other() -> None:
    limit = RateLimit(burst=1, seconds=10, keys=9)

    assert [limit.take(key, 0) for key in ("a", "b", "a")] == [True, True, False]


def test_more_keys_than_are_remembered_wait_until_one_is_forgotten() -> None:
    limit = RateLimit(burst=1, seconds=10, keys=2)

    assert [limit.take(key, 0) for key in ("a", "b", "c")] == [True, True, False]
    assert not limit.take("a", 1)
    assert [limit.take(key, 10) for key in ("c", "a", "b")] == [True, True, False]
