from __future__ import annotations

from forge_api.metrics import Metrics
from forge_api.scheduler_metrics import scheduler_metrics
from forge_api.vllm_metrics import VLLM_NAMES, split_by_label, under_vllm_names
from tests.api.fakes import STATS


def test_every_alias_is_of_a_metric_there_is() -> None:
    families = [*Metrics().registry.collect(), *scheduler_metrics(STATS)]
    aliases = [family.name for family in under_vllm_names(families, "tiny")]
    assert sorted(aliases) == sorted(f"vllm:{name}" for name in VLLM_NAMES.values())


def test_whoever_waits_waits_for_capacity() -> None:
    waiting, _ = split_by_label(STATS, "tiny")
    [sample] = waiting.samples
    assert (sample.labels["reason"], sample.value) == ("capacity", STATS.num_waiting)


def test_prompt_tokens_were_either_computed_or_cached() -> None:
    _, prompt = split_by_label(STATS, "tiny")
    values = {sample.labels["source"]: sample.value for sample in prompt.samples}
    assert values == {"local_compute": 60, "local_cache_hit": 40}


def test_labels_are_those_of_vllm() -> None:
    waiting, _ = split_by_label(STATS, "tiny")
    assert waiting.samples[0].labels == {
        "model_name": "tiny",
        "engine": "0",
        "reason": "capacity",
    }
