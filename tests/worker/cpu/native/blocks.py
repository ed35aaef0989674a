"""Blocks of ggml's formats for tests: whatever bytes, behind scales that are sound."""

from __future__ import annotations

import numpy as np

from forge_common.checkpoint.block_formats import BLOCK_FORMATS
from forge_worker.forward_inputs import FloatArray
from forge_worker.weights.stored_tensor import BlockDtype, StoredTensor, widen

SCALE_PLACES = {"Q8_0": (0,), "Q4_0": (0,), "Q5_0": (0,), "Q4_K": (0, 2), "Q5_K": (0, 2)}
SCALE_PLACES |= {"Q6_K": (208,)}


def random_blocks(
    dtype: BlockDtype, num_rows: int, num_columns: int, scale: float | None = None
) -> StoredTensor:
    """Scales of either sign about 0.01, or all `scale`."""
    number_format = BLOCK_FORMATS[dtype]
    generator = np.random.default_rng([num_rows, num_columns, number_format.block_bytes])
    num_blocks = num_rows * num_columns // number_format.block_elements
    blocks = generator.integers(0, 256, (num_blocks, number_format.block_bytes), np.uint8)
    for place in SCALE_PLACES[dtype]:
        drawn = generator.normal(size=(num_blocks, 1)) / 100
        scales = drawn if scale is None else np.full_like(drawn, scale)
        blocks[:, place : place + 2] = scales.astype(np.float16).view(np.uint8)
    return StoredTensor(dtype, blocks.reshape(num_rows, -1))


def widened(stored: StoredTensor) -> FloatArray:
    wide = np.empty(stored.shape, np.float32)
    widen(stored, wide)
    return wide
