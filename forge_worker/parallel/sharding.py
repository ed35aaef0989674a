"""Sharding: which part of a tensor a rank holds, stated beside each weight in the layers.

    OUTPUTS   rows of the weight: the rank computes some of the outputs      q, gate, up, lm_head
    KV_HEADS  the same, but ranks share rows where they outnumber the heads  k, v
    INPUTS    columns of the weight: the rank computes a part of each sum    o, down

A bias belongs to outputs, so with INPUTS every rank holds all of it, and whoever sums the parts
adds it once. Knows axes, not names.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, assert_never

import numpy.typing as npt

from forge_common.sharding import Shard


class Sharding(Enum):
    WHOLE = "whole"
    OUTPUTS = "outputs"
    KV_HEADS = "kv_heads"
    INPUTS = "inputs"


def own_part(
    array: npt.NDArray[Any], sharding: Sharding, shard: Shard, num_kv_parts: int
) -> npt.NDArray[Any]:
    """A view of what `shard` holds of a weight [outputs, inputs] or a bias [outputs]."""
    match sharding:
        case Sharding.WHOLE:
            return array
        case Sharding.OUTPUTS:
            return array[shard.part_of(len(array), shard.num_ranks)]
        case Sharding.KV_HEADS:
            return array[shard.part_of(len(array), num_kv_parts)]
        case Sharding.INPUTS if array.ndim == 1:
            return array
        case Sharding.INPUTS:
            return array[:, shard.part_of(array.shape[1], shard.num_ranks)]
        case other:
            assert_never(other)
