from __future__ import annotations

from forge_api.scheduler_metrics import scheduler_metrics, step_tokens
from forge_common.protocol.api_scheduler import StepSizes
from tests.api.fakes import STATS


def test_buckets_of_steps_are_cumulative() -> None:
    family = step_tokens(StepSizes([1, 8], [3, 4, 2], 50))
    buckets = {sample.labels.get("le"): sample.value for sample in family.samples[:3]}
    assert buckets == {"1.0": 3, "8.0": 7, "+Inf": 9}
    values = {sample.name: sample.value for sample in family.samples[3:]}
    assert values == {"forge_step_tokens_count": 9, "forge_step_tokens_sum": 50}


def test_what_is_unknown_is_absent_and_not_zero() -> None:
    names = {family.name for family in scheduler_metrics(STATS)}
    assert "forge_last_step_age_seconds" in names
    assert "forge_oldest_waiting_age_seconds" not in names
