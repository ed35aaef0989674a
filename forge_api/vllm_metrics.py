"""The same numbers under vLLM's names, for the dashboards and routers that look for those.

Only what Forge measures: vLLM's names for LoRA, sleep modes and transfers between engines are left
out. Knows names and labels; knows nothing of what is measured or how.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.samples import Sample

from forge_common.protocol.api_scheduler import SchedulerReady, SchedulerStats

# Forge's name → vLLM's, without their prefixes.
VLLM_NAMES = {
    "requests_running": "num_requests_running",
    "requests_waiting": "num_requests_waiting",
    "kv_cache_usage_ratio": "kv_cache_usage_perc",
    "prompt_tokens": "prompt_tokens",
    "prompt_tokens_cached": "prompt_tokens_cached",
    "generation_tokens": "generation_tokens",
    "draft_tokens": "spec_decode_num_draft_tokens",
    "draft_tokens_accepted": "spec_decode_num_accepted_tokens",
    "preemptions": "num_preemptions",
    "prefix_cache_queries": "prefix_cache_queries",
    "prefix_cache_hits": "prefix_cache_hits",
    "requests_finished": "request_success",
    "step_tokens": "iteration_tokens_total",
    "time_to_first_token_seconds": "time_to_first_token_seconds",
    "inter_token_latency_seconds": "inter_token_latency_seconds",
    "time_per_output_token_seconds": "request_time_per_output_token_seconds",
    "e2e_request_latency_seconds": "e2e_request_latency_seconds",
    "request_queue_time_seconds": "request_queue_time_seconds",
    "request_prefill_time_seconds": "request_prefill_time_seconds",
    "request_decode_time_seconds": "request_decode_time_seconds",
    "request_inference_time_seconds": "request_inference_time_seconds",
    "request_prompt_tokens": "request_prompt_tokens",
    "request_prefill_tokens": "request_prefill_kv_computed_tokens",
    "request_generation_tokens": "request_generation_tokens",
    "request_max_generation_tokens": "request_max_num_generation_tokens",
    "request_params_n": "request_params_n",
    "request_params_max_tokens": "request_params_max_tokens",
}


def under_vllm_names(families: Iterable[Metric], model_name: str) -> Iterator[Metric]:
    labels = labels_of(model_name)
    for family in families:
        name = VLLM_NAMES.get(family.name.removeprefix("forge_"))
        if name is not None:
            yield renamed(family, f"vllm:{name}", labels)


def cache_config(scheduler: SchedulerReady, model_name: str) -> Metric:
    cache = {"block_size": scheduler.block_size, "num_gpu_blocks": scheduler.num_blocks}
    info = labels_of(model_name) | {key: str(value) for key, value in cache.items()}
    return InfoMetricFamily("vllm:cache_config", "Of the KV cache", value=info)


def split_by_label(stats: SchedulerStats, model_name: str) -> Iterator[Metric]:
    """Numbers that vLLM splits further than Forge can: whoever waits here waits for capacity."""
    labels = labels_of(model_name)
    waiting = GaugeMetricFamily(
        "vllm:num_requests_waiting_by_reason", "Sequences that wait", labels=[*labels, "reason"]
    )
    waiting.add_metric([*labels.values(), "capacity"], stats.num_waiting)
    yield waiting
    num_cached = stats.cached_prompt_tokens_total
    prompt = CounterMetricFamily(
        "vllm:prompt_tokens_by_source", "Prompt tokens", labels=[*labels, "source"]
    )
    prompt.add_metric([*labels.values(), "local_compute"], stats.prompt_tokens_total - num_cached)
    prompt.add_metric([*labels.values(), "local_cache_hit"], num_cached)
    yield prompt


def labels_of(model_name: str) -> dict[str, str]:
    return {"model_name": model_name, "engine": "0"}


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
