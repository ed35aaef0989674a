"""The worker's plan is exact, and the launcher's, made without a device, is close to it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from forge_common.device_workspace import StepLimits, workspace_bytes
from forge_worker.cuda.device import DeviceInfo
from forge_worker.cuda.layout import EngineSizes, workspace_parts
from forge_worker.cuda.precision import Precision
from forge_worker.sequence_mirror import Limits
from tests.common.test_memory_plan import model_config
from tests.worker.cuda.expert_cases import experts_of

INFO = DeviceInfo("a large GPU", (9, 0), 132, 80 * 2**30, 227 * 2**10)
LLAMA_1B = {"hidden_size": 2048, "intermediate_size": 8192, "num_heads": 32, "head_dim": 64}
LLAMA_8B = {"hidden_size": 4096, "intermediate_size": 14336, "num_heads": 32, "head_dim": 128}
QWEN_MOE = {
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "num_heads": 32,
    "head_dim": 128,
    "layer_experts": 2 * (experts_of(128, 8, 768),),
}
SHARED = {"num_kv_heads": 8, "vocab_size": 128256}


def sizes_of(model: dict[str, Any], max_tokens: int, max_model_len: int) -> EngineSizes:
    config = msgspec.structs.replace(model_config(), **SHARED, **model)
    limits = Limits(256, max_model_len, 16, 1000, config.vocab_size)
    return EngineSizes(config, Precision.BFLOAT16, limits, max_tokens, False)


@pytest.mark.parametrize("model", [LLAMA_1B, LLAMA_8B, QWEN_MOE])
@pytest.mark.parametrize(("max_tokens", "max_model_len"), [(4096, 8192), (2048, 131072)])
def test_launchers_plan_is_within_two_per_cent_of_the_workers(
    model: dict[str, Any], max_tokens: int, max_model_len: int
) -> None:
    sizes = sizes_of(model, max_tokens, max_model_len)
    exact = workspace_parts(sizes, INFO).num_bytes
    planned = workspace_bytes(sizes.config, sizes.step_limits, sizes.precision.element_bytes)
    assert abs(planned - exact) < 0.02 * exact


def test_step_limits_count_every_row_of_a_graph() -> None:
    sizes = sizes_of(LLAMA_1B, 4096, 8192)
    assert sizes.step_limits == StepLimits(4096, 256, 8192, 256)
    assert sizes.attention_limits.max_rows == 256


def test_float32_attends_token_by_token() -> None:
    sizes = sizes_of(LLAMA_1B, 4096, 8192)._replace(precision=Precision.FLOAT32)
    assert sizes.attention_limits.max_rows == 4096


def test_deterministic_contexts_stay_whole_and_take_less_workspace() -> None:
    plain = sizes_of(LLAMA_8B, 4096, 8192)
    whole = plain._replace(is_deterministic=True)
    parts = [workspace_parts(sizes, INFO) for sizes in (plain, whole)]
    assert parts[1].attention < parts[0].attention
    assert parts[1]._replace(attention=0) == parts[0]._replace(attention=0)
    assert not whole.attention_planner.has_singles
