from collections.abc import Callable
from functools import partial

from prometheus_client.parser import text_string_to_metric_families

from vaultferry import __version__
from vaultferry.core.urgency import Lane
from vaultferry.operator.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Return every sample by name and labels, as a scraper reads them."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (sample.name, ",".join(sorted(sample.labels.values()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_reconciliations_are_counted_by_how_they_ended() -> None:
    metrics = Metrics()
    for result in ("nothing", "reported", "reported", "Conflict"):
        metrics.reconciled(result, 0.02)

    read = samples(metrics)

    assert read["vaultferry_reconciles_total", "reported"] == 2
    assert read["vaultferry_reconciles_total", "Conflict"] == 1


def test_only_what_had_something_to_do_is_timed() -> None:
    metrics = Metrics()
    metrics.reconciled("nothing", 5.0)
    metrics.reconciled("reported", 0.02)

    assert samples(metrics)["vaultferry_reconcile_seconds_count", ""] == 1


def test_requests_are_counted_by_verb_and_code() -> None:
    metrics = Metrics()
    metrics.called("GET", "200")
    metrics.called("PATCH", "none")

    read = samples(metrics)

    assert read["vaultferry_api_requests_total", "200,GET"] == 1
    assert read["vaultferry_api_requests_total", "PATCH,none"] == 1


def test_lost_events_are_counted() -> None:
    metrics = Metrics()
    metrics.event_lost()

    assert samples(metrics)["vaultferry_events_lost_total", ""] == 1


def test_what_vaults_tell_is_counted() -> None:
    metrics = Metrics()
    metrics.pushed("taken")
    metrics.pushed("refused")
    metrics.pushed("refused")
    metrics.stream_ended("Unreachable")

    read = samples(metrics)

    assert read["vaultferry_pushes_total", "taken"] == 1
    assert read["vaultferry_pushes_total", "refused"] == 2
    assert read["vaultferry_stream_ends_total", "Unreachable"] == 1


def test_how_long_keys_took_is_told_by_lane() -> None:
    metrics = Metrics()
    metrics.served(Lane.URGENT, 0.02)
    metrics.served(Lane.URGENT, 2.0)

    read = samples(metrics)

    assert read["vaultferry_served_seconds_count", "urgent"] == 2
    assert read["vaultferry_served_seconds_sum", "urgent"] == 2.02
    assert read["vaultferry_served_seconds_count", "last"] == 0


def test_what_the_shell_lives_through_is_counted() -> None:
    metrics = Metrics()
    metrics.repaired()
    metrics.missed()
    metrics.lease_acquired()
    metrics.lease_lost()
    metrics.lease_failed("Stale")
    metrics.restarted("secrets", "Expired")

    read = samples(metrics)

    assert {
        name.removeprefix("vaultferry_").removesuffix("_total"): labels
        for (name, labels), value in read.items()
        if name.endswith("_total") and value == 1
    } == {
        "drift_repairs": "",
        "watch_missed": "",
        "lease_acquired": "",
        "lease_lost": "",
        "lease_failures": "Stale",
        "watch_restarts": "Expired,secrets",
    }


def test_a_gauge_is_read_when_the_metrics_are() -> None:
    metrics, depth = Metrics(), [1.0]
    metrics.gauge("queue_depth", "Keys that wait.", lambda: depth[0])

    depth[0] = 7.0

    assert samples(metrics)["vaultferry_queue_depth", ""] == 7


def test_a_gauge_can_have_one_value_for_each_of_a_few_labels() -> None:
    metrics, depths = Metrics(), {"urgent": 1.0, "last": 2.0}
    reads: dict[tuple[str, ...], Callable[[], float]] = {
        (lane,): partial(depths.__getitem__, lane) for lane in depths
    }
    metrics.gauges("queue_depth", "Keys that wait.", ["lane"], reads)

    depths["last"] = 7.0

    read = samples(metrics)
    assert read["vaultferry_queue_depth", "urgent"] == 1
    assert read["vaultferry_queue_depth", "last"] == 7


def test_a_loop_that_was_late_is_told_by_how_much() -> None:
    metrics = Metrics()
    for seconds in (0.0, 0.3):
        metrics.lagged(seconds)

    read = samples(metrics)

    assert read["vaultferry_loop_lag_seconds_bucket", "0.25"] == 1
    assert read["vaultferry_loop_lag_seconds_bucket", "0.5"] == 2


def test_the_version_is_told() -> None:
    assert samples(Metrics())["vaultferry_build_info", __version__] == 1


def test_two_operators_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.event_lost()

    assert samples(other)["vaultferry_events_lost_total", ""] == 0
