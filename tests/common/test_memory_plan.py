"""The plan adds up, keeps within what is there, and says which flag to change where it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from forge_common.backend_memory import DeviceMemory, HostMemory
from forge_common.checkpoint import Checkpoint, GenerationDefaults, ModelConfig, TensorInfo
from forge_common.checkpoint.rope_scaling import (
    DynamicScaling,
    LinearScaling,
    Llama3Scaling,
    Rope,
    RopeScaling,
    YarnScaling,
)
from forge_common.config import BatchSettings, CacheSettings
from forge_common.errors import ConfigError, ModelError
from forge_common.memory_plan import (
    GIB,
    MemoryPlan,
    longest_context,
    plan_memory,
)

BYTES_PER_TOKEN = 2 * 2 * 2 * 8 * 4  # keys and values, layers, KV heads, head_dim, float32
ROOMY = 4 * GIB
RESERVED_BYTES = HostMemory(0).reserved_bytes


def model_config(rope_scaling: RopeScaling | None = None, is_tied: bool = False) -> ModelConfig:
    return ModelConfig(
        architecture="LlamaForCausalLM",
        vocab_size=100,
        hidden_size=32,
        intermediate_size=64,
        num_layers=2,
        num_heads=4,
        num_kv_heads=2,
        head_dim=8,
        rms_norm_eps=1e-6,
        ropes=(Rope(10000.0, rope_scaling, 8),) * 2,
        sliding_windows=(None, None),
        max_position_embeddings=2048,
        tie_word_embeddings=is_tied,
        has_qkv_bias=False,
        has_attention_output_bias=False,
        has_mlp_bias=False,
        dtype=None,
        eos_token_ids=(),
    )


def checkpoint(config: ModelConfig | None = None, num_weights: int = 1000) -> Checkpoint:
    shapes = {"model.embed_tokens.weight": (num_weights,), "lm_head.weight": (500,)}
    tensors = {
        name: TensorInfo(name, "BF16", shape, Path("x"), 0, 2 * shape[0])
        for name, shape in shapes.items()
    }
    return Checkpoint(config or model_config(), GenerationDefaults(), tensors)


def plan(
    max_model_len: int | None = None,
    available_bytes: int = ROOMY,
    num_weights: int = 1000,
    **cache: Any,
) -> MemoryPlan:
    batch = BatchSettings(max_batch_size=4, max_prefill_tokens=64)
    of = checkpoint(num_weights=num_weights)
    memory = HostMemory(available_bytes)
    return plan_memory(of, CacheSettings(**cache), batch, max_model_len, memory)


def test_weights_are_widened_to_float32() -> None:
    assert plan().weights_bytes == 1500 * 4


def test_tied_output_projection_counts_once() -> None:
    tied = checkpoint(model_config(is_tied=True))
    planned = plan_memory(tied, CacheSettings(), BatchSettings(), None, HostMemory(ROOMY))
    assert planned.weights_bytes == 1000 * 4


def test_block_holds_keys_and_values_of_all_layers() -> None:
    assert plan(block_size=16).block_bytes == 16 * BYTES_PER_TOKEN


def test_default_holds_1024_tokens_a_sequence() -> None:
    assert plan().num_kv_tokens == 4 * 1024
    assert plan(max_model_len=512).num_kv_tokens == 4 * 512


def test_default_takes_at_most_half_of_what_is_free() -> None:
    planned = plan(max_model_len=64, available_bytes=RESERVED_BYTES + 300_000)
    free_bytes = 300_000 - planned.weights_bytes - planned.workspace_bytes
    assert 64 <= planned.num_kv_tokens < 4 * 64
    assert planned.kv_bytes <= free_bytes // 2


def test_stated_sizes_are_kept() -> None:
    assert plan(num_blocks=300).num_blocks == 300
    assert plan(kv_cache_memory_gib=0.5).kv_bytes == GIB // 2


def test_context_is_the_models_own_where_it_fits() -> None:
    assert plan().max_model_len == 2048


def test_context_shrinks_to_the_blocks_there_are() -> None:
    planned = plan(num_blocks=8, block_size=16)
    assert planned.max_model_len == 128
    assert planned.longest_context == 2048


def test_context_shrinks_to_the_memory_there_is() -> None:
    planned = plan(available_bytes=RESERVED_BYTES + 700_000)
    assert 16 <= planned.max_model_len < 2048
    assert planned.max_model_len <= planned.num_kv_tokens
    assert planned.needed_bytes <= planned.available_bytes


def test_naive_block_is_a_whole_context() -> None:
    planned = plan(kv_cache="naive", max_model_len=100)
    assert (planned.block_size, planned.num_blocks) == (100, 4)


@pytest.mark.parametrize("kv_cache", ["paged", "naive"])
def test_every_plan_fits_and_holds_a_context(kv_cache: str) -> None:
    for spare_bytes in range(400_000, 4_000_000, 50_000):
        planned = plan(available_bytes=RESERVED_BYTES + spare_bytes, kv_cache=kv_cache)
        assert planned.needed_bytes <= planned.available_bytes
        assert planned.num_kv_tokens >= planned.max_model_len


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"num_weights": 10**9},
            r"weights need 3\.73 GiB .* 2\.75 GiB are available",
        ),
        ({"available_bytes": RESERVED_BYTES + 50_000}, "lower --max-prefill-tokens"),
        ({"num_blocks": 10**6, "block_size": 64}, "lower --num-blocks or"),
        ({"num_blocks": 2, "max_model_len": 100}, "context of 100 tokens .* --max-model-len"),
    ],
)
def test_too_little_memory_names_the_flag(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        plan(**{"available_bytes": 3 * GIB, **arguments})


def test_context_beyond_the_models_is_refused() -> None:
    with pytest.raises(ConfigError, match="--max-model-len 4096 is beyond the 2048 positions"):
        plan(max_model_len=4096)


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        (None, 2048),
        (LinearScaling(factor=4.0), 8192),
        (DynamicScaling(factor=2.0, original_max_position_embeddings=2048), 4096),
        (YarnScaling(factor=4.0, original_max_position_embeddings=2048), 8192),
        (YarnScaling(factor=4.0, original_max_position_embeddings=512), 2048),
        (
            Llama3Scaling(
                factor=8.0,
                original_max_position_embeddings=256,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
            ),
            2048,
        ),
    ],
)
def test_longest_context_counts_stretching_once(scaling: RopeScaling | None, expected: int) -> None:
    assert longest_context(model_config(scaling)) == expected


def device_plan(**cache: Any) -> MemoryPlan:
    memory = DeviceMemory("a GPU", "bfloat16", available_bytes=3 * GIB // 2, reserved_bytes=GIB)
    batch = BatchSettings(max_batch_size=4096, max_prefill_tokens=64)
    return plan_memory(checkpoint(), CacheSettings(**cache), batch, None, memory)


def test_numbers_on_a_gpu_are_as_wide_as_its_precision() -> None:
    planned = device_plan(block_size=16)
    assert planned.weights_bytes == 1500 * 2
    assert planned.block_bytes == 16 * BYTES_PER_TOKEN // 2


def test_gpu_gives_all_that_is_left_to_kv_blocks() -> None:
    planned = device_plan()
    assert 0 <= planned.available_bytes - planned.needed_bytes < planned.block_bytes
    assert planned.reserved_bytes == GIB


def test_gpu_holds_no_more_blocks_than_its_sequences_can_fill() -> None:
    memory = DeviceMemory("a GPU", "bfloat16", available_bytes=ROOMY, reserved_bytes=0)
    batch = BatchSettings(max_batch_size=2, max_prefill_tokens=64)
    planned = plan_memory(checkpoint(), CacheSettings(), batch, 64, memory)
    assert planned.num_kv_tokens == 2 * 64
