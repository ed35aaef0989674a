"""What the API process counts itself: latencies, sizes of requests, how they ended.

Every number has one source: latencies and finished choices are seen here, queues, blocks and
tokens by the scheduler. Every label is from a closed set, so that no client can add series without
end. Knows the metric names; knows nothing of HTTP routes or of the engine.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

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
SECONDS_TO_COMPILE = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
TOKENS = (
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5,
)  # fmt: skip
CHOICES = (1.0, 2.0, 4.0, 8.0, 16.0)
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD: Final = "other"  # whatever a client may invent


class RequestSizes(NamedTuple):
    """How large one request was, over all of its prompts and choices."""

    num_prompt_tokens: int
    num_prefill_tokens: int  # of its prompts, those that no prefix cache held
    num_output_tokens: int
    max_output_tokens: int  # of its longest choice
    num_choices: int  # asked of each prompt
    max_tokens: int  # allowed for each choice


class SizeMetric(NamedTuple):
    """How a number of RequestSizes is exported."""

    name: str
    text: str
    buckets: tuple[float, ...] = TOKENS


SIZE_METRICS = (  # in the order of RequestSizes
    SizeMetric("request_prompt_tokens", "Prompt tokens of a request"),
    SizeMetric("request_prefill_tokens", "Prompt tokens of a request that were not cached"),
    SizeMetric("request_generation_tokens", "Output tokens of a request"),
    SizeMetric("request_max_generation_tokens", "Output tokens of a request's longest choice"),
    SizeMetric("request_params_n", "Choices asked of each prompt", CHOICES),
    SizeMetric("request_params_max_tokens", "Output tokens allowed for each choice"),
)


class MetricGroup:
    """Makes metrics of one registry, under Forge's prefix."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()
    ) -> Histogram:
        return Histogram(f"forge_{name}", text, labels, buckets=buckets, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"forge_{name}", text, registry=self.registry, multiprocess_mode="livesum")

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"forge_{name}", text, labels, registry=self.registry)


class GrammarMetrics(MetricGroup):
    """Of grammars, from a request's field to a compiled Program."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._compile = self._histogram(
            "grammar_compile_seconds",
            "To compile a grammar, by outcome: compiled or refused",
            SECONDS_TO_COMPILE,
            ("outcome",),
        )
        self._failures = self._counter(
            "grammar_failures", "Grammars that were not compiled by a fault of Forge", ()
        )
        self._cache_hits = self._counter(
            "grammar_cache_hits", "Grammars that were compiled already, or just then", ()
        )
        self._cache_misses = self._counter(
            "grammar_cache_misses", "Grammars that had to be compiled", ()
        )
        self.cache_bytes = self._gauge(
            "grammar_cache_bytes", "Bytes of compiled grammars that are kept"
        )

    def looked_up(self, *, is_hit: bool) -> None:
        (self._cache_hits if is_hit else self._cache_misses).inc()

    def compiled(self, outcome: str, seconds: float) -> None:
        self._compile.labels(outcome).observe(seconds)

    def failed(self) -> None:
        self._failures.inc()


class KeyMetrics(MetricGroup):
    """By the names of configured keys, so labels are few; whoever has no key has no metric."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._requests = self._counter(
            "key_requests", "Requests that were counted against a key, by its name", ("key",)
        )
        self._tokens = self._counter(
            "key_tokens", "Tokens that a key has used, by its name and kind", ("key", "kind")
        )
        self._refusals = self._counter(
            "key_refusals", "Requests refused for a key's limit, by its name", ("key", "limit")
        )

    def asked(self, name: str) -> None:
        if name:
            self._requests.labels(name).inc()

    def used(self, name: str, num_prompt_tokens: int, num_output_tokens: int) -> None:
        if name:
            self._tokens.labels(name, "prompt").inc(num_prompt_tokens)
            self._tokens.labels(name, "output").inc(num_output_tokens)

    def refused(self, name: str, limit: str) -> None:
        self._refusals.labels(name, limit).inc()


class Metrics(MetricGroup):
    """Counters and histograms of this process, all in one registry of its own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry or CollectorRegistry(auto_describe=True))
        self.grammars = GrammarMetrics(self.registry)
        self.keys = KeyMetrics(self.registry)
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
        self.time_per_output_token = self._histogram(
            "time_per_output_token_seconds",
            "Of a choice, on average, after its first token",
            SECONDS_BETWEEN_TOKENS,
        )
        self.request_queue_time = self._period(
            "queue", "From the request's arrival in the scheduler to its first step"
        )
        self.request_prefill_time = self._period(
            "prefill", "From the first step to the first token"
        )
        self.request_decode_time = self._period("decode", "From the first token to the last")
        self.request_inference_time = self._period(
            "inference", "From the first step to the last token"
        )
        self._sizes = [self._histogram(*metric) for metric in SIZE_METRICS]
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
        self.restarts = self._gauge(
            "api_restarts", "How often API processes took a lost one's place"
        )
        self.body_bytes = self._gauge(
            "body_bytes", "Bytes of request bodies that are being received or parsed"
        )

    def finished(self, reason: str) -> None:
        self._finished.labels(reason).inc()

    def measured(self, sizes: RequestSizes) -> None:
        for histogram, size in zip(self._sizes, sizes, strict=True):
            histogram.observe(size)

    def replied(self, method: str, route: str, status: int) -> None:
        known = method if method in METHODS else OTHER_METHOD
        self._replies.labels(known, route, str(status)).inc()

    def ignored(self, route: str, num_fields: int) -> None:
        if num_fields:
            self._ignored.labels(route).inc(num_fields)

    def _period(self, name: str, text: str) -> Histogram:
        return self._histogram(f"request_{name}_time_seconds", text, SECONDS_OF_A_REQUEST)
