"""How a model is divided among ranks, as far as sizes go (Shoeybi et al. 2019).

Each rank computes some of the heads and some of the inner features of every layer, and the logits
of some of the vocabulary. Where there are fewer KV heads than ranks, neighbouring ranks hold the
same one. Knows numbers, neither tensors nor who talks to whom.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from forge_common.checkpoint import ModelConfig
from forge_common.errors import ModelError


class Shard(NamedTuple):
    """Which of the ranks a process is."""

    rank: int  # from 0
    num_ranks: int

    def part_of(self, length: int, num_parts: int) -> slice:
        """Its own of `num_parts` equal parts; ranks beyond that many share with neighbours."""
        size = length // num_parts
        begin = self.rank * num_parts // self.num_ranks * size
        return slice(begin, begin + size)


WHOLE_MODEL = Shard(rank=0, num_ranks=1)


def shard_config(config: ModelConfig, num_ranks: int) -> ModelConfig:
    """The config of what each rank computes; `vocab_size` stays that of all of them together.

    ModelError, with the number, where something does not divide evenly.
    """
    if num_ranks > 1:
        _require_divisible(config)
    _require_even("num_attention_heads", config.num_heads, num_ranks)
    _require_even("intermediate_size", config.intermediate_size, num_ranks)
    _require_even("vocab_size", config.vocab_size, num_ranks)
    num_parts = num_kv_parts(config, num_ranks)
    _require_even("num_key_value_heads", config.num_kv_heads, num_parts)
    if num_ranks % num_parts:
        raise ModelError(
            f"`num_key_value_heads` ({config.num_kv_heads}) cannot be shared evenly by"
            f" {num_ranks} ranks"
        )
    return replace(
        config,
        num_heads=config.num_heads // num_ranks,
        num_kv_heads=config.num_kv_heads // num_parts,
        intermediate_size=config.intermediate_size // num_ranks,
    )


def num_kv_parts(config: ModelConfig, num_ranks: int) -> int:
    """Into how many different parts the KV heads fall."""
    return min(config.num_kv_heads, num_ranks)


def _require_divisible(config: ModelConfig) -> None:
    """A norm of a sum needs all of it, and parts of a joined tensor lie elsewhere in each rank."""
    whole = {
        "norms behind the parts of a layer": bool(
            config.norms.after_attention or config.norms.after_mlp
        ),
        "norms over all heads": config.qk_norm == "all",
        "joined projections": config.has_fused_projections,
        "experts": any(experts is not None for experts in config.layer_experts),
    }
    for feature, is_there in whole.items():
        if is_there:
            raise ModelError(f"a model with {feature} is not divided among ranks yet")


def _require_even(field: str, number: int, num_parts: int) -> None:
    if number % num_parts:
        raise ModelError(f"`{field}` ({number}) does not divide among {num_parts} ranks")
