"""The cache of a GPU in bytes, said with NumPy: tiles of numbers, and the scales behind them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from forge_common.kv_format import DeviceKVName
from forge_worker.cuda.kv_tiles import KVTiles
from forge_worker.cuda.precision import Precision
from forge_worker.forward_inputs import FloatArray
from tests.worker.fp8_numbers import Codes, fp8_codes, fp8_values

LARGEST = {"fp8": 1.75, "int8": 127.0}


class Coded(NamedTuple):
    """Rows of bytes [..., head_dim], and their scales, float32 [...]."""

    codes: Codes
    scales: FloatArray

    def numbers(self, kv: DeviceKVName) -> FloatArray:
        return numbers_of(self.codes, kv) * self.scales[..., None]


def numbers_of(codes: Codes, kv: DeviceKVName) -> FloatArray:
    if kv == "fp8":
        return fp8_values(codes) * np.float32(2**-8)
    signs = np.where(codes & 0x80, -1, 1).astype(np.float32)
    return signs * (codes & 0x7F).astype(np.float32)


def codes_of(x: FloatArray, kv: DeviceKVName) -> Codes:
    """To nearest, ties to even, no larger than the format has them."""
    if kv == "fp8":
        return fp8_codes(x * 256)
    magnitudes = np.minimum(np.rint(np.abs(x)), 127).astype(np.uint8)
    signs: Codes = np.signbit(x).astype(np.uint8) << 7
    return magnitudes | signs


def coded(rows: FloatArray, kv: DeviceKVName, precision: Precision) -> Coded:
    """As the kernels round rows of finite numbers."""
    largest = np.abs(rows).max(axis=-1) / np.float32(LARGEST[kv])
    scales = precision.widened(precision.rounded(largest))
    factors: FloatArray = np.divide(1, scales, out=np.zeros_like(scales), where=scales != 0)
    return Coded(codes_of(rows * factors[..., None], kv), scales)


def coded_by_powers(rows: FloatArray, kv: DeviceKVName) -> Coded:
    """With powers of two as scales, which no precision rounds; rows that hold NaN have it as
    theirs."""
    largest = np.abs(rows).max(axis=-1) / LARGEST[kv]
    is_number = np.isfinite(largest)
    exponents = np.ceil(np.log2(np.where(is_number & (largest > 0), largest, 1)))
    scales = np.exp2(exponents).astype(np.float32)
    finite = np.where(is_number[..., None], rows, np.float32(0)) * (1 / scales[..., None])
    return Coded(codes_of(finite, kv), np.where(is_number, scales, np.float32(np.nan)))


def in_tiles(rows: Coded, tiles: KVTiles) -> npt.NDArray[np.uint8]:
    """Of rows [num_blocks, num_kv_heads, block_size, head_dim]; what belongs to nobody is 0xFF."""
    num_blocks, num_heads = rows.codes.shape[:2]
    made = np.full(tiles.shape(num_blocks), 0xFF, np.uint8)
    codes = rows.codes.reshape(num_blocks, num_heads, -1)
    scales = np.ascontiguousarray(rows.scales, np.float32).view(np.uint8)
    both = np.concatenate([codes, scales.reshape(num_blocks, num_heads, -1)], axis=-1)
    made[..., : both.shape[-1]] = both
    return made


def from_tiles(stored: npt.NDArray[Any], tiles: KVTiles) -> Coded:
    num_blocks, num_heads = stored.shape[:2]
    num_numbers = tiles.block_size * tiles.head_dim
    shape = (num_blocks, num_heads, tiles.block_size)
    codes = stored[..., :num_numbers].reshape(*shape, tiles.head_dim)
    end = num_numbers + 4 * tiles.block_size
    scales = np.ascontiguousarray(stored[..., num_numbers:end]).view(np.float32)
    return Coded(codes, scales.reshape(shape))
