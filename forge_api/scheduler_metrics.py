"""The scheduler's numbers at the moment of a scrape, as families of metrics.

Knows Forge's names for them; knows nothing of what this process counts, nor of HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from forge_common.protocol.api_scheduler import SchedulerStats, StepSizes


def scheduler_metrics(stats: SchedulerStats) -> Iterator[Metric]:
    yield from gauges(stats)
    yield from counters(stats)
    yield step_tokens(stats.step_sizes)


def scheduler_restarts(count: int) -> Metric:
    return CounterMetricFamily(
        "forge_scheduler_restarts", "Schedulers that took a lost one's place", value=count
    )


def gauges(stats: SchedulerStats) -> Iterator[Metric]:
    used_blocks = stats.num_blocks - stats.num_free_blocks
    values: dict[str, tuple[str, float | None]] = {
        "requests_running": ("Sequences that run", stats.num_running),
        "requests_waiting": ("Sequences that wait", stats.num_waiting),
        "waiting_tokens": ("Prompt tokens that wait", stats.num_waiting_tokens),
        "grammar_bytes": ("Grammars of all that wait or run", stats.num_grammar_bytes),
        "kv_cache_usage_ratio": (
            "Share of KV blocks in use",
            used_blocks / (stats.num_blocks or 1),
        ),
        "kv_cache_blocks": ("KV blocks there are", stats.num_blocks),
        "worker_ready": ("1 while the worker is ready", float(stats.is_worker_ready)),
        "scheduler_uptime_seconds": ("Since the scheduler started", stats.uptime_s),
        "worker_uptime_seconds": ("Since the worker was ready; absent without one",
                                  stats.worker_uptime_s),
        "last_step_age_seconds": ("Since the last step; absent while idle", stats.last_step_age_s),
        "oldest_waiting_age_seconds": ("Of the longest wait", stats.oldest_waiting_age_s),
    }  # fmt: skip
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
        "draft_tokens": ("Tokens that were drafted", stats.draft_tokens_total),
        "draft_tokens_accepted": ("Drafted tokens that were sampled too",
                                  stats.accepted_tokens_total),
        "draft_tokens_forced": ("Drafted tokens that a grammar forced",
                                stats.forced_draft_tokens_total),
        "draft_tokens_forced_accepted": ("... that were sampled too",
                                         stats.accepted_forced_tokens_total),
        "preemptions": ("Sequences that gave their blocks back", stats.preemptions_total),
        "prefix_cache_queries": ("Asked of the prefix cache", stats.prefix_queries_total),
        "prefix_cache_hits": ("Found in the prefix cache", stats.prefix_hits_total),
        "rejected_requests": ("Requests the scheduler refused", stats.rejected_total),
        "sequences_resumed": ("Sequences that went on after the loss of a worker or a scheduler",
                              stats.sequences_resumed_total),
        "grammar_delays": ("Steps that gave a sequence no token for its grammar's sake",
                           stats.grammar_delays_total),
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
    restarts = CounterMetricFamily(
        "forge_worker_restarts", "Workers that took a lost one's place", labels=["loss"]
    )
    for loss, count in stats.worker_restarts_total.items():
        restarts.add_metric([str(loss)], count)
    yield restarts


def step_tokens(sizes: StepSizes) -> Metric:
    """Counts at most `le` tokens, as Prometheus has it: each bucket holds those below it."""
    bounds = [*map(floatToGoString, sizes.bounds), "+Inf"]
    return HistogramMetricFamily(
        "forge_step_tokens",
        "Tokens of a step",
        buckets=list(zip(bounds, accumulate(sizes.counts), strict=True)),
        sum_value=sizes.tokens_total,
    )
