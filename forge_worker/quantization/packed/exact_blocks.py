"""Scaled weights as blocks of Q8_0 or Q4_0, where these hold the same numbers exactly.

They do where 32 neighbours share a scale that half precision has, and are within the integers of
the format: nothing is rounded then, and nothing searched. Knows no layout of checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from forge_worker.quantization.fields import Bytes
from forge_worker.quantization.packed.scaled_weight import Numbers, ScaledWeight

BLOCK = 32
SCALE_BYTES = 2


class BlockForm(NamedTuple):
    least: int
    most: int
    num_bytes: int  # of the integers of a block
    write: Callable[[Numbers], Bytes]  # [n, 32] to [n, num_bytes]


def _signed_bytes(levels: Numbers) -> Bytes:
    return levels.astype(np.int8).view(np.uint8)


def _halves_of_bytes(levels: Numbers) -> Bytes:
    steps = (levels + 8).astype(np.uint8)
    return steps[:, : BLOCK // 2] | (steps[:, BLOCK // 2 :] << np.uint8(4))


FORMS: Mapping[str, BlockForm] = MappingProxyType(
    {
        "Q8_0": BlockForm(-128, 127, BLOCK, _signed_bytes),
        "Q4_0": BlockForm(-8, 7, BLOCK // 2, _halves_of_bytes),
    }
)


def exact_blocks(weight: ScaledWeight, dtype: str) -> Bytes | None:
    """uint8 [num_rows, row_bytes] in `dtype`; None where that would not be exact."""
    form, scales = FORMS[dtype], _block_scales(weight)
    if scales is None:
        return None
    num_blocks = weight.num_columns // BLOCK
    blocks = np.empty((weight.num_rows, num_blocks, SCALE_BYTES + form.num_bytes), np.uint8)
    for rows in weight.slabs():
        levels = weight.levels(rows)
        if levels.min() < form.least or levels.max() > form.most:
            return None
        written = form.write(levels.reshape(-1, BLOCK))
        blocks[rows, :, SCALE_BYTES:] = written.reshape(-1, num_blocks, form.num_bytes)
    blocks[:, :, :SCALE_BYTES] = scales.view(np.uint8).reshape(*scales.shape, SCALE_BYTES)
    return blocks.reshape(weight.num_rows, -1)


def _block_scales(weight: ScaledWeight) -> npt.NDArray[np.float16] | None:
    """float16 [num_rows, num_blocks]"""
    size, order = weight.groups
    is_in_runs = size % BLOCK == 0 or size == weight.num_columns
    if weight.num_columns % BLOCK or order is not None or not is_in_runs:
        return None
    with np.errstate(over="ignore"):
        halves = weight.scales_of_all_rows().astype("<f2")
    if not np.array_equal(halves.astype(np.float32), weight.scales_of_all_rows(), equal_nan=True):
        return None
    spread = np.repeat(halves, size // BLOCK, axis=1)
    return np.ascontiguousarray(spread[:, : weight.num_columns // BLOCK])
