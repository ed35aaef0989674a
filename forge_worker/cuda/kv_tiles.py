"""What the KV cache of a GPU is made of: a tile for each block and KV head, see kernels/cached.cuh.

Keys have tiles of their own, and values. Knows sizes and the names of types, no kernel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from forge_common.kv_format import DeviceKVName, device_tile_bytes
from forge_worker.cuda.precision import Precision


class KVTiles(NamedTuple):
    """`precision` is what attention computes in."""

    precision: Precision
    num_kv_heads: int
    block_size: int
    head_dim: int
    kv: DeviceKVName = "computed"

    @property
    def kernel_type(self) -> str:
        """CACHED of kernels/cached.cuh."""
        types = {"computed": self.precision.kernel_type, "int8": "Int8", "fp8": "Fp8"}
        return types[self.kv]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.precision.dtype if self.kv == "computed" else np.dtype(np.uint8)

    def shape(self, num_blocks: int) -> tuple[int, ...]:
        """Of all keys, or all values, of a layer; what a head reads of a block lies together."""
        if self.kv == "computed":
            return num_blocks, self.num_kv_heads, self.block_size, self.head_dim
        tile_bytes = device_tile_bytes(self.block_size, self.head_dim, self.kv, 1)
        return num_blocks, self.num_kv_heads, tile_bytes
