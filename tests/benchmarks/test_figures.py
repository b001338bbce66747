import pytest

from benchmarks.calls import count
from benchmarks.figures import growth, named, per_object, percentile, with_ratios
from tests.e2e.audit import Request


def request(verb: str, resource: str, namespace: str = "", name: str = "") -> Request:
    return Request("operator", verb, resource, namespace, name, 200, "/")


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 50), (99, 99), (100, 100), (0.5, 1), (0, 1)]
)
def test_a_percentile_is_a_value_that_was_measured(
    percent: float, expected: float
) -> None:
    assert percentile(range(100, 0, -1), percent) == expected


def test_of_one_value_every_percentile_is_that_value() -> None:
    assert [percentile([7.0], percent) for percent in (1, 50, 99)] == [7.0, 7.0, 7.0]


def test_calls_for_a_lease_are_counted_apart() -> None:
    lease = request("update", "leases", "vaultferry-system", "vaultferry")

    calls = count([lease, request("list", "secrets")], ["bench-0"])

    assert (calls.leases, calls.writes, calls.reads, calls.all) == (1, 0, 1, 1)


def test_reads_of_objects_are_told_from_those_of_the_whole_cluster() -> None:
    one = request("get", "secrets", "bench-0", "db-0")
    every = [request("list", "secrets"), request("watch", "vaultsecrets"), one]

    calls = count(every, ["bench-0"])

    assert (calls.reads, calls.object_reads) == (3, 1)


def test_calls_per_object_are_told_by_verb_and_resource() -> None:
    names = [f"db-{number}" for number in range(4)]
    made = [request("create", "secrets", "bench-0", name) for name in names]
    told = [request("update", "vaultsecrets/status", "bench-0", name) for name in names]
    other = request("list", "secrets")

    figures = per_object(count([*made, *told, other], ["bench-0"]), 4)

    assert figures == {
        "writes_per_object": 2,
        "reads_per_object": 0,
        "other_reads": 1,
        "calls.create_secrets": 1,
        "calls.update_vaultsecrets/status": 1,
    }


def test_ratios_are_to_the_bare_client_of_the_same_run_for_everybody() -> None:
    ours = named("first_sync", {"objects_per_s": 80.0, "steady_objects_per_s": 90.0})
    theirs = named("eso", named("first_sync", {"objects_per_s": 20.0}))

    figures = with_ratios({"bare.objects_per_s": 100.0} | ours | theirs)

    assert figures["first_sync.ratio"] == 0.8
    assert figures["first_sync.steady_ratio"] == 0.9
    assert figures["eso.first_sync.ratio"] == 0.2


def test_growth_is_the_last_run_by_the_first() -> None:
    runs = [{"rest.cpu_s": 2.0}, {"rest.cpu_s": 1.0}, {"rest.cpu_s": 5.0}]

    assert growth(runs, "rest.cpu_s") == 2.5


@pytest.mark.parametrize("runs", [[{}, {"a": 1.0}], [{"a": 1.0}, {}], [{"a": 0.0}] * 2])
def test_growth_from_nothing_or_to_nothing_is_not_known(
    runs: list[dict[str, float]],
) -> None:
    assert growth(runs, "a") is None
