"""The metrics of the webhook: counts and times, never the name of an object."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import generate_latest

from vaultferry import __version__

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """What the webhook counts, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answers = Counter(
            "vaultferry_webhook_answers",
            "Requests, by how they were answered.",
            ["result"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "vaultferry_webhook_seconds",
            "How long the API server waited for an answer.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._calls = Counter(
            "vaultferry_api_requests",
            "Requests to the Kubernetes API, by verb and HTTP status.",
            ["verb", "code"],
            registry=self.registry,
        )
        Info("vaultferry_build", "The version.", registry=self.registry).info(
            {"version": __version__}
        )

    def answered(self, result: str) -> None:
        """Count an answer."""
        self._answers.labels(result).inc()

    def took(self, seconds: float) -> None:
        """Take in how long a request of the API server took."""
        self._seconds.observe(seconds)

    def called(self, verb: str, code: str) -> None:
        """Count a request to the Kubernetes API."""
        self._calls.labels(verb, code).inc()

    def expiry(self, read: Callable[[], float]) -> None:
        """Register when the certificate expires."""
        Gauge(
            "vaultferry_webhook_certificate_expiry_timestamp_seconds",
            "When the certificate that is served expires.",
            registry=self.registry,
        ).set_function(read)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)
