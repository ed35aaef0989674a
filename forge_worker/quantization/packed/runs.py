"""Scaled weights as runs, which hold the same numbers exactly (quantization/runs.py).

The one repacking on the way from a checkpoint to a GPU: whatever the layout, integers and bytes are
moved, and scales and zero points written once for each run. Knows no layout of checkpoints.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from forge_common.checkpoint.block_formats import RUN_FORMATS
from forge_worker.quantization.fields import Bytes, packed
from forge_worker.quantization.packed.float8 import NOT_A_NUMBER
from forge_worker.quantization.packed.scaled_weight import ScaledWeight
from forge_worker.quantization.runs import HEAD_BYTES, heads_of


def integer_runs(weight: ScaledWeight, dtype: str, least: int) -> Bytes:
    """uint8 [num_rows, row_bytes] in `dtype`, of integers from `least` to `least` + 15.

    ValueError where runs do not hold them: groups in an order, scales of float32.
    """
    run = RUN_FORMATS[dtype].block_elements
    zeros = np.zeros(weight.scales.shape, np.int16) if weight.zeros is None else weight.zeros
    blocks = _empty_blocks(weight, dtype)
    heads = heads_of(weight.scales, zeros - np.int16(least))
    blocks[:, :, :HEAD_BYTES] = _of_runs(weight, heads, run)
    for rows in weight.slabs():
        integers = weight.read(rows) - np.int16(least)
        halves = packed(integers.reshape(-1, run), run // 2, 4)
        blocks[rows, :, HEAD_BYTES:] = halves.reshape(-1, *blocks.shape[1:2], run // 2)
    return blocks.reshape(weight.num_rows, -1)


def float_runs(weight: ScaledWeight, dtype: str, codes: Bytes) -> Bytes:
    """As `integer_runs`, of E4M3 `codes` [num_rows, num_columns]; ValueError for no number."""
    run = RUN_FORMATS[dtype].block_elements
    blocks = _empty_blocks(weight, dtype)
    scales = np.ascontiguousarray(weight.scales, "<f4")
    heads = scales.view(np.uint8).reshape(*scales.shape, HEAD_BYTES)
    blocks[:, :, :HEAD_BYTES] = _of_runs(weight, heads, run)
    for rows in weight.slabs():
        slab = codes[rows].view(np.uint8)
        if ((slab & np.uint8(NOT_A_NUMBER)) == NOT_A_NUMBER).any():
            raise ValueError("a byte is no number")
        blocks[rows, :, HEAD_BYTES:] = slab.reshape(-1, *blocks.shape[1:2], run)
    return blocks.reshape(weight.num_rows, -1)


def _empty_blocks(weight: ScaledWeight, dtype: str) -> Bytes:
    """[num_rows, num_runs, bytes of a run]"""
    run_format = RUN_FORMATS[dtype]
    if weight.groups.order is not None or weight.groups.size % run_format.block_elements:
        raise ValueError("neighbours do not share a scale")
    num_runs = weight.num_columns // run_format.block_elements
    return np.empty((weight.num_rows, num_runs, run_format.block_bytes), np.uint8)


def _of_runs(weight: ScaledWeight, heads: Bytes, run: int) -> npt.NDArray[Any]:
    """[row groups, groups, bytes] as [num_rows, num_runs, bytes]"""
    of_rows = heads[np.arange(weight.num_rows) // weight.rows_per_scale]
    spread = np.repeat(of_rows, weight.groups.size // run, axis=1)
    return spread[:, : weight.num_columns // run]
