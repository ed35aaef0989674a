"""Runs for tests: of given numbers, or of whatever integers behind scales that are sound."""

from __future__ import annotations

import numpy as np

from forge_common.checkpoint.block_formats import RUN_FORMATS
from forge_worker.quantization.fields import Bytes, Floats, packed
from forge_worker.quantization.packed.float8 import e4m3_values

MOST = {"I4": 15, "E4M3": 448}
NO_NUMBER = 0x7F


def encoded(dtype: str, values: Floats) -> Bytes:
    """[n, columns], each rounded to the nearest that a plain choice of scales allows."""
    runs = values.reshape(-1, RUN_FORMATS[dtype].block_elements)
    if dtype.startswith("I4"):
        least = runs.min(axis=1, keepdims=True)
        scales = of_half_precision((runs.max(axis=1, keepdims=True) - least) / MOST["I4"])
        zeros = np.clip(np.rint(-least / scales), 0, MOST["I4"])
        integers = np.clip(np.rint(runs / scales) + zeros, 0, MOST["I4"])
        return _integer_rows(len(values), scales, zeros, integers)
    scales = abs(runs).max(axis=1, keepdims=True) / np.float32(MOST["E4M3"])
    magnitudes = e4m3_values()[:NO_NUMBER]
    codes = abs(abs(runs / scales)[:, :, None] - magnitudes).argmin(axis=2).astype(np.uint8)
    return _rows(len(values), scales.view(np.uint8), codes | np.where(runs < 0, 128, 0))


def drawn(dtype: str, num_rows: int, num_columns: int) -> Bytes:
    """Every integer and byte, every zero point a byte has, scales of every size."""
    generator = np.random.default_rng(7)
    run = RUN_FORMATS[dtype].block_elements
    num_runs = num_rows * num_columns // run
    sizes = generator.integers(-20, 5, (num_runs, 1))
    scales = np.ldexp(generator.uniform(-2, 2, (num_runs, 1)), sizes).astype(np.float32)
    if dtype.startswith("I4"):
        zeros = generator.integers(0, 256, (num_runs, 1))
        integers = generator.integers(0, 16, (num_runs, run))
        return _integer_rows(num_rows, of_half_precision(scales), zeros, integers)
    codes = generator.integers(0, NO_NUMBER, (num_runs, run), np.uint8)
    signs = generator.integers(0, 2, codes.shape, np.uint8) << np.uint8(7)
    return _rows(num_rows, scales.view(np.uint8), codes | signs)


def of_half_precision(scales: Floats) -> Floats:
    halves: Floats = scales.astype(np.float16).astype(np.float32)
    return halves


def _integer_rows(num_rows: int, scales: Floats, zeros: np.ndarray, integers: np.ndarray) -> Bytes:
    heads = scales.view(np.uint32) | zeros.astype(np.uint32)
    fields = packed(integers, integers.shape[1] // 2, 4)
    return _rows(num_rows, heads.view(np.uint8), fields)


def _rows(num_rows: int, heads: Bytes, numbers: np.ndarray) -> Bytes:
    blocks = np.concatenate([heads, numbers.astype(np.uint8)], axis=1)
    return blocks.reshape(num_rows, -1)
