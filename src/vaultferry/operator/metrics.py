"""The metrics: counts, ages and codes, never the name of an object or a value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import generate_latest

from vaultferry import __version__

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass
class Metrics:
    """What the operator counts, on a registry of its own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        """Register every metric."""
        self._reconciles = Counter(
            "vaultferry_reconciles",
            "Reconciliations, by how they ended: a result, or the reason of a failure.",
            ["result"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "vaultferry_reconcile_seconds",
            "Duration of a reconciliation that had something to do.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._calls = Counter(
            "vaultferry_api_requests",
            "Requests to the Kubernetes API, by verb and HTTP status.",
            ["verb", "code"],
            registry=self.registry,
        )
        self._lost_events = Counter(
            "vaultferry_events_lost",
            "Events that could not be posted.",
            registry=self.registry,
        )
        Info("vaultferry_build", "The version.", registry=self.registry).info(
            {"version": __version__}
        )

    def reconciled(self, result: str, seconds: float) -> None:
        """Count a reconciliation."""
        self._reconciles.labels(result).inc()
        if result != "nothing":
            self._seconds.observe(seconds)

    def called(self, verb: str, code: str) -> None:
        """Count a request to the Kubernetes API."""
        self._calls.labels(verb, code).inc()

    def event_lost(self) -> None:
        """Count an event that could not be posted."""
        self._lost_events.inc()

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Register a gauge that is read when the metrics are."""
        Gauge(f"vaultferry_{name}", text, registry=self.registry).set_function(read)

    def gauges(
        self, name: str, text: str, label: str, reads: Mapping[str, Callable[[], float]]
    ) -> None:
        """Register a gauge with a label, one to be read for each of its values."""
        family = Gauge(f"vaultferry_{name}", text, [label], registry=self.registry)
        for value, read in reads.items():
            family.labels(value).set_function(read)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)
