"""What the API process counts itself, and the scheduler's numbers at the moment of a scrape.

Every number has one source: latencies and finished choices are seen here, queues, blocks and
tokens by the scheduler. Knows the metric names; knows nothing of HTTP routes or of the engine.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

SECONDS_TO_FIRST_TOKEN = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
)  # fmt: skip
SECONDS_BETWEEN_TOKENS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
    5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
SECONDS_OF_A_REQUEST = (
    0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0,
    60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0,
)  # fmt: skip
TOKENS = (
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5,
)  # fmt: skip


class Metrics:
    """Counters and histograms of this process, all in one registry of its own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry(auto_describe=True) if registry is None else registry
        self.time_to_first_token = self._histogram(
            "time_to_first_token_seconds",
            "From the request to its first token",
            SECONDS_TO_FIRST_TOKEN,
        )
        self.inter_token_latency = self._histogram(
            "inter_token_latency_seconds", "From token to token of a choice", SECONDS_BETWEEN_TOKENS
        )
        self.request_latency = self._histogram(
            "e2e_request_latency_seconds", "From the request to its end", SECONDS_OF_A_REQUEST
        )
        self.request_prompt_tokens = self._histogram(
            "request_prompt_tokens", "Prompt tokens of a request", TOKENS
        )
        self.request_output_tokens = self._histogram(
            "request_generation_tokens", "Output tokens of a request", TOKENS
        )
        self._finished = self._counter(
            "requests_finished", "Choices that ended, by reason", ("finished_reason",)
        )
        self._replies = self._counter(
            "http_requests", "HTTP replies", ("method", "route", "status")
        )
        self._ignored = self._counter(
            "ignored_parameters", "Fields of requests that nobody knows, by route", ("route",)
        )
        self.slow_readers = self._counter(
            "slow_readers", "Streams ended because their client did not read", ()
        )

    def finished(self, reason: str) -> None:
        self._finished.labels(reason).inc()

    def replied(self, method: str, route: str, status: int) -> None:
        self._replies.labels(method, route, str(status)).inc()

    def ignored(self, route: str, num_fields: int) -> None:
        if num_fields:
            self._ignored.labels(route).inc(num_fields)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"forge_{name}", text, buckets=buckets, registry=self.registry)

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"forge_{name}", text, labels, registry=self.registry)
