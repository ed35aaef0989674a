"""One scrape: this process's metrics, the scheduler's numbers, and both under vLLM's names.

With several API processes each scrape meets one of them; `multiprocess_dir` is where they share
what they count, so that every answer is the sum. Knows who is asked; knows nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from forge_api.metrics import Metrics
from forge_api.scheduler_metrics import scheduler_metrics, scheduler_restarts
from forge_api.vllm_metrics import cache_config, split_by_label, under_vllm_names
from forge_common.protocol.api_scheduler import SchedulerReady, SchedulerStats


class EngineNumbers(NamedTuple):
    """None where the scheduler does not answer: its metrics are absent then, not zero."""

    scheduler: SchedulerReady | None
    stats: SchedulerStats | None
    num_scheduler_restarts: int = 0


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
        stats = self._numbers.stats
        families = [*self._own(), scheduler_restarts(self._numbers.num_scheduler_restarts)]
        families += () if stats is None else scheduler_metrics(stats)
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

    def _under_vllm_names(self, families: Iterable[Metric]) -> Iterator[Metric]:
        model_name = self._options.model_name
        yield from under_vllm_names(families, model_name)
        if self._numbers.stats is not None:
            yield from split_by_label(self._numbers.stats, model_name)
        if self._numbers.scheduler is not None:
            yield cache_config(self._numbers.scheduler, model_name)


def without_creation_times(family: Metric) -> Metric:
    """The client library adds a series for when each series began; nobody asks for it."""
    family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
    return family
