"""Sizes of a rank's part, and what cannot be divided."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.checkpoint import ModelConfig
from forge_common.errors import ModelError
from forge_common.sharding import Shard, shard_config
from tests.worker.tiny_models import write_model_config


def config_of(directory: Path, **changes: object) -> ModelConfig:
    return write_model_config(directory, num_attention_heads=8, **changes)


def test_one_rank_computes_everything(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    assert shard_config(config, 1) == config


def test_heads_and_inner_features_are_divided(tmp_path: Path) -> None:
    own = shard_config(config_of(tmp_path, num_key_value_heads=4), 2)
    assert (own.num_heads, own.num_kv_heads, own.intermediate_size) == (4, 2, 24)
    assert (own.head_dim, own.hidden_size, own.vocab_size) == (4, 32, 40)


@pytest.mark.parametrize(("num_kv_heads", "num_ranks"), [(1, 4), (2, 4), (4, 4), (2, 8), (8, 2)])
def test_query_heads_stay_with_their_kv_head(
    tmp_path: Path, num_kv_heads: int, num_ranks: int
) -> None:
    config = config_of(tmp_path, num_key_value_heads=num_kv_heads)
    own = shard_config(config, num_ranks)
    num_parts = min(num_kv_heads, num_ranks)
    for rank in range(num_ranks):
        shard = Shard(rank, num_ranks)
        queries, keys = shard.part_of(8, num_ranks), shard.part_of(num_kv_heads, num_parts)
        wanted = [query // config.num_queries_per_kv for query in range(8)[queries]]
        held = [key for key in range(num_kv_heads)[keys] for _ in range(own.num_queries_per_kv)]
        assert wanted == held


@pytest.mark.parametrize(("num_ranks", "num_parts"), [(1, 1), (2, 2), (4, 4), (4, 2), (4, 1)])
def test_parts_cover_everything(num_ranks: int, num_parts: int) -> None:
    parts = [Shard(rank, num_ranks).part_of(24, num_parts) for rank in range(num_ranks)]
    held = [index for part in parts for index in range(24)[part]]
    assert sorted(held) == sorted(list(range(24)) * (num_ranks // num_parts))


@pytest.mark.parametrize(
    ("changes", "num_ranks", "named"),
    [
        ({}, 3, r"`num_attention_heads` \(8\) does not divide among 3 ranks"),
        ({"intermediate_size": 50}, 4, r"`intermediate_size` \(50\)"),
        ({"vocab_size": 41}, 2, r"`vocab_size` \(41\)"),
    ],
)
def test_size_that_does_not_divide_is_named(
    tmp_path: Path, changes: dict[str, object], num_ranks: int, named: str
) -> None:
    with pytest.raises(ModelError, match=named):
        shard_config(config_of(tmp_path, **changes), num_ranks)


@pytest.mark.parametrize(("num_kv_heads", "num_ranks"), [(3, 2), (4, 6)])
def test_kv_heads_that_cannot_be_shared_evenly_are_named(
    tmp_path: Path, num_kv_heads: int, num_ranks: int
) -> None:
    config = write_model_config(
        tmp_path,
        num_attention_heads=12,
        num_key_value_heads=num_kv_heads,
        hidden_size=48,
        vocab_size=48,
    )
    with pytest.raises(ModelError, match=rf"`num_key_value_heads` \({num_kv_heads}\)"):
        shard_config(config, num_ranks)
