"""How cached keys and values lie in memory: in groups of 16 tokens, each head's in one piece.

    keys    [num_blocks, num_kv_heads, groups, head_dim, 16]   scores need no sums across lanes
    values  [num_blocks, num_kv_heads, groups, 16, head_dim]

The token at offset p of a block lies in group p // 16, lane p % 16. A block's last group may have
lanes that belong to no token; they stay 0. Where the format has scales, a group is a row of bytes:
its numbers, then a float32 scale of each lane. Keys and values of a group are as long as each
other, so one offset finds both. Knows no threads and no kernels.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from forge_common.kv_format import KVFormatName
from forge_worker.ops.protocol import KVLayer

__all__ = ["KV_FORMATS", "LANES", "KVFormat", "KVFormatName", "KVLayout"]

LANES = 16
SCALES_BYTES = 4 * LANES


class KVFormat(NamedTuple):
    """What a cached number is stored as."""

    name: KVFormatName
    dtype: npt.DTypeLike  # bfloat16 and fp8 are kept as their bits
    has_scales: bool  # one of each token in each head


KV_FORMATS: Mapping[KVFormatName, KVFormat] = MappingProxyType(
    {
        "float32": KVFormat("float32", np.float32, has_scales=False),
        "bfloat16": KVFormat("bfloat16", np.uint16, has_scales=False),
        "int8": KVFormat("int8", np.int8, has_scales=True),
        "fp8": KVFormat("fp8", np.uint8, has_scales=True),
    }
)


class KVLayout(NamedTuple):
    format: KVFormat
    block_size: int
    num_kv_heads: int
    head_dim: int

    @property
    def groups_per_block(self) -> int:
        return -(-self.block_size // LANES)

    @property
    def group_bytes(self) -> int:
        """Of one head's keys, or its values."""
        numbers_bytes = LANES * self.head_dim * np.dtype(self.format.dtype).itemsize
        return numbers_bytes + (SCALES_BYTES if self.format.has_scales else 0)

    @property
    def head_bytes(self) -> int:
        """From a head of a block to the next head."""
        return self.groups_per_block * self.group_bytes

    @property
    def block_bytes(self) -> int:
        return self.num_kv_heads * self.head_bytes

    def allocate(self, num_blocks: int) -> KVLayer:
        """Zeros."""
        groups = (num_blocks, self.num_kv_heads, self.groups_per_block)
        dtype = self.format.dtype
        if self.format.has_scales:
            shape = (*groups, self.group_bytes)
            return KVLayer(np.zeros(shape, dtype), np.zeros(shape, dtype))
        return KVLayer(
            np.zeros((*groups, self.head_dim, LANES), dtype),
            np.zeros((*groups, LANES, self.head_dim), dtype),
        )
