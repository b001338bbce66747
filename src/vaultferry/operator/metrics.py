"""The metrics: counts, ages and codes, never the name of an object or a value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import generate_latest

from vaultferry import __version__
from vaultferry.core.urgency import Lane

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
# What waits behind ten thousand others takes minutes.
_SERVED_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


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
        self._served = Histogram(
            "vaultferry_served_seconds",
            "From when a key came into its lane until the work on it ended.",
            ["lane"],
            buckets=_SERVED_BUCKETS,
            registry=self.registry,
        )
        for lane in Lane:
            self._served.labels(lane.name.lower())
        self._lag = Histogram(
            "vaultferry_loop_lag_seconds",
            "How late the event loop was, twice a second: nothing else is served then.",
            buckets=_LAG_BUCKETS,
            registry=self.registry,
        )
        self._repairs = self._counter(
            "drift_repairs", "Secrets that somebody changed or deleted, made right."
        )
        self._lost_events = self._counter(
            "events_lost", "Events that could not be posted."
        )
        self._missed = self._counter(
            "watch_missed", "VaultSecrets whose change a list found and no watch told."
        )
        self._restarts = self._counter(
            "watch_restarts",
            "Watches that ended: `ended` is the server's time limit, others a fault.",
            "watch",
            "reason",
        )
        self._fetches = self._counter(
            "vault_calls",
            "Calls to vaults, by how they ended: what was found, or a reason.",
            "result",
        )
        self._pushes = self._counter(
            "pushes",
            "What claimed to be webhooks of vaults, by how it was answered.",
            "result",
        )
        self._stream_ends = self._counter(
            "stream_ends",
            "Event streams of vaults that ended: `ended`, or the reason of a failure.",
            "reason",
        )
        self._terms = self._counter(
            "lease_acquired", "How often this replica began to lead."
        )
        self._lease_lost = self._counter(
            "lease_lost", "How often this replica lost the lease while it led."
        )
        self._lease_failures = self._counter(
            "lease_failures",
            "Looks at the lease, and renewals, that failed.",
            "reason",
        )
        Info("vaultferry_build", "The version.", registry=self.registry).info(
            {"version": __version__}
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"vaultferry_{name}", text, labels, registry=self.registry)

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

    def served(self, lane: Lane, seconds: float) -> None:
        """Take in how long a key took, from when it came."""
        self._served.labels(lane.name.lower()).observe(seconds)

    def lagged(self, seconds: float) -> None:
        """Take in how late the event loop was."""
        self._lag.observe(seconds)

    def repaired(self) -> None:
        """Count a repair of a Secret."""
        self._repairs.inc()

    def missed(self) -> None:
        """Count a change that no watch told of."""
        self._missed.inc()

    def restarted(self, watch: str, reason: str) -> None:
        """Count the end of a watch; its kind and the reason are of a small set."""
        self._restarts.labels(watch, reason).inc()

    def fetched(self, result: str) -> None:
        """Count a call to a vault; results and reasons are of a small set."""
        self._fetches.labels(result).inc()

    def pushed(self, result: str) -> None:
        """Count what claimed to be a webhook; results are of a small set."""
        self._pushes.labels(result).inc()

    def stream_ended(self, reason: str) -> None:
        """Count the end of an event stream; reasons are of a small set."""
        self._stream_ends.labels(reason).inc()

    def lease_acquired(self) -> None:
        """Count the begin of a leadership."""
        self._terms.inc()

    def lease_lost(self) -> None:
        """Count a lost lease."""
        self._lease_lost.inc()

    def lease_failed(self, reason: str) -> None:
        """Count a call for the lease that failed; reasons are names of errors."""
        self._lease_failures.labels(reason).inc()

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Register a gauge that is read when the metrics are."""
        Gauge(f"vaultferry_{name}", text, registry=self.registry).set_function(read)

    def gauges(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        reads: Mapping[tuple[str, ...], Callable[[], float]],
    ) -> None:
        """Register a gauge with labels, one to be read for each of their values."""
        family = Gauge(f"vaultferry_{name}", text, labels, registry=self.registry)
        for values, read in reads.items():
            family.labels(*values).set_function(read)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)
