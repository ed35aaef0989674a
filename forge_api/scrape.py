"""One scrape: this process's metrics, the scheduler's numbers, and both under vLLM's names.

With several API processes each scrape meets one of them; `multiprocess_dir` is where they share
what they count, so that every answer is the sum. Knows names; knows nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from forge_api.metrics import Metrics
from forge_common.protocol.api_scheduler import SchedulerReady, SchedulerStats

# Forge's name → vLLM's, without their prefixes.
VLLM_NAMES = {
    "requests_running": "num_requests_running",
    "requests_waiting": "num_requests_waiting",
    "kv_cache_usage_ratio": "kv_cache_usage_perc",
    "prompt_tokens": "prompt_tokens",
    "prompt_tokens_cached": "prompt_tokens_cached",
    "generation_tokens": "generation_tokens",
    "preemptions": "num_preemptions",
    "prefix_cache_queries": "prefix_cache_queries",
    "prefix_cache_hits": "prefix_cache_hits",
    "requests_finished": "request_success",
    "time_to_first_token_seconds": "time_to_first_token_seconds",
    "inter_token_latency_seconds": "inter_token_latency_seconds",
    "e2e_request_latency_seconds": "e2e_request_latency_seconds",
    "request_prompt_tokens": "request_prompt_tokens",
    "request_generation_tokens": "request_generation_tokens",
}


class EngineNumbers(NamedTuple):
    """None where the scheduler does not answer: its metrics are absent then, not zero."""

    scheduler: SchedulerReady | None
    stats: SchedulerStats | None


class ScrapeOptions(NamedTuple):
    model_name: str
    with_vllm_names: bool
    multiprocess_dir: str | None


class Scrape(Collector):
    def __init__(self, metrics: Metrics, numbers: EngineNumbers, options: ScrapeOptions) -> None:
        self._metrics = metrics
        self._numbers = numbers
        self._options = options

    def collect(self) -> Iterator[Metric]:
        families = [*self._own(), *self._of_scheduler()]
        yield from families
        if self._options.with_vllm_names:
            yield from self._under_vllm_names(families)

    def text(self) -> bytes:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def describe(self) -> Iterable[Metric]:
        """Empty, so that registering does not collect."""
        return ()

    def _own(self) -> Iterable[Metric]:
        directory = self._options.multiprocess_dir
        if directory is None:
            return map(without_creation_times, self._metrics.registry.collect())
        collected: Iterable[Metric] = MultiProcessCollector(None, directory).collect()  # type: ignore[no-untyped-call]
        return collected

    def _of_scheduler(self) -> Iterator[Metric]:
        stats = self._numbers.stats
        if stats is not None:
            yield from gauges(stats)
            yield from counters(stats)

    def _under_vllm_names(self, families: Iterable[Metric]) -> Iterator[Metric]:
        labels = {"model_name": self._options.model_name, "engine": "0"}
        for family in families:
            name = VLLM_NAMES.get(family.name.removeprefix("forge_"))
            if name is not None:
                yield renamed(family, f"vllm:{name}", labels)
        if (scheduler := self._numbers.scheduler) is not None:
            cache = {"block_size": scheduler.block_size, "num_gpu_blocks": scheduler.num_blocks}
            info = labels | {key: str(value) for key, value in cache.items()}
            yield InfoMetricFamily("vllm:cache_config", "Of the KV cache", value=info)


def without_creation_times(family: Metric) -> Metric:
    """The client library adds a series for when each series began; nobody asks for it."""
    family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
    return family


def renamed(family: Metric, name: str, labels: dict[str, str]) -> Metric:
    copy = Metric(name, family.documentation, family.type)
    copy.samples = [
        Sample(
            name + sample.name.removeprefix(family.name),
            {**labels, **sample.labels},
            sample.value,
            sample.timestamp,
            sample.exemplar,
        )
        for sample in family.samples
    ]
    return copy


def gauges(stats: SchedulerStats) -> Iterator[Metric]:
    used_blocks = stats.num_blocks - stats.num_free_blocks
    values: dict[str, tuple[str, float | None]] = {
        "requests_running": ("Sequences that run", stats.num_running),
        "requests_waiting": ("Sequences that wait", stats.num_waiting),
        "waiting_tokens": ("Prompt tokens that wait", stats.num_waiting_tokens),
        "kv_cache_usage_ratio": (
            "Share of KV blocks in use",
            used_blocks / (stats.num_blocks or 1),
        ),
        "kv_cache_blocks": ("KV blocks there are", stats.num_blocks),
        "worker_ready": ("1 while the worker is ready", float(stats.is_worker_ready)),
        "last_step_age_seconds": ("Since the last step; absent while idle", stats.last_step_age_s),
        "oldest_waiting_age_seconds": ("Of the longest wait", stats.oldest_waiting_age_s),
    }
    for name, (text, value) in values.items():
        if value is not None:
            yield GaugeMetricFamily(f"forge_{name}", text, value=value)


def counters(stats: SchedulerStats) -> Iterator[Metric]:
    values = {
        "steps": ("Steps of the scheduler", stats.steps_total),
        "prompt_tokens": ("Prompt tokens", stats.prompt_tokens_total),
        "prompt_tokens_cached": ("Prompt tokens from the prefix cache",
                                 stats.cached_prompt_tokens_total),
        "generation_tokens": ("Output tokens", stats.output_tokens_total),
        "preemptions": ("Sequences that gave their blocks back", stats.preemptions_total),
        "prefix_cache_queries": ("Asked of the prefix cache", stats.prefix_queries_total),
        "prefix_cache_hits": ("Found in the prefix cache", stats.prefix_hits_total),
        "rejected_requests": ("Requests the scheduler refused", stats.rejected_total),
        "slow_clients": ("Clients that did not read in time", stats.slow_clients_total),
    }  # fmt: skip
    for name, (text, value) in values.items():
        yield CounterMetricFamily(f"forge_{name}", text, value=value)
    ended = CounterMetricFamily(
        "forge_sequences_ended", "Sequences as the scheduler ended them", labels=["reason"]
    )
    for reason, count in stats.finished_total.items():
        ended.add_metric([str(reason)], count)
    yield ended
