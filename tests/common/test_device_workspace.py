"""What lives at the same time has room of its own in the layer buffer."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from forge_common.checkpoint.families import LayerNorms
from forge_common.device_workspace import attended_start, layer_elements
from tests.common.test_memory_plan import model_config

NUM_TOKENS = 64


@pytest.mark.parametrize("inner", [7, 64, 1000])
def test_attention_writes_behind_its_queries_keys_and_values(inner: int) -> None:
    config = replace(model_config(), intermediate_size=inner)
    start = attended_start(config, NUM_TOKENS)
    assert start >= NUM_TOKENS * (config.num_heads + 2 * config.num_kv_heads) * config.head_dim
    attended = NUM_TOKENS * config.num_heads * config.head_dim
    assert layer_elements(config, NUM_TOKENS) >= start + attended


@pytest.mark.parametrize("inner", [7, 64, 1000])
def test_attention_outlives_the_gated_part_where_both_stand_side_by_side(inner: int) -> None:
    norms = LayerNorms(before_mlp=None, is_shared=True)
    config = replace(model_config(), intermediate_size=inner, norms=norms)
    start = attended_start(config, NUM_TOKENS)
    assert start >= 3 * NUM_TOKENS * inner
    assert start % 16 == 0
    attended = NUM_TOKENS * config.num_heads * config.head_dim
    assert layer_elements(config, NUM_TOKENS) >= start + attended
