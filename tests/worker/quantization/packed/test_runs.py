"""Runs hold the very numbers, or there are none."""

from __future__ import annotations

import numpy as np
import pytest

from forge_common.checkpoint.block_formats import RUN_FORMATS
from forge_worker.quantization.decode import decode
from forge_worker.quantization.fields import Bytes, Floats
from forge_worker.quantization.packed.float8 import e4m3_values
from forge_worker.quantization.packed.runs import float_runs, integer_runs
from forge_worker.quantization.packed.scaled_weight import Groups, ScaledWeight

ROWS, COLUMNS = 24, 384
INTEGER_RUNS = ["I4_32", "I4_64", "I4_128"]


def half_scales(*shape: int) -> Floats:
    drawn = np.random.default_rng(4).uniform(-1, 1, shape).astype(np.float16)
    return drawn.astype(np.float32)


def integers(
    groups: Groups = Groups(128, None),  # noqa: B008
    rows_per_scale: int = 1,
    least: int = 0,
) -> ScaledWeight:
    generator = np.random.default_rng(3)
    numbers = generator.integers(least, least + 16, (ROWS, COLUMNS)).astype(np.int16)
    grid = (ROWS // rows_per_scale, -(-COLUMNS // groups.size))
    zeros = generator.integers(least, least + 17, grid).astype(np.int16)
    scales = half_scales(*grid)
    return ScaledWeight(
        ROWS, COLUMNS, lambda rows: numbers[rows].copy(), zeros, scales, rows_per_scale, groups
    )


def decoded(dtype: str, rows: Bytes) -> Floats:
    assert rows.shape == (ROWS, RUN_FORMATS[dtype].row_bytes(COLUMNS))
    out = np.empty((ROWS, COLUMNS), np.float32)
    decode(dtype, rows, out)
    return out


@pytest.mark.parametrize("dtype", INTEGER_RUNS)
@pytest.mark.parametrize("least", [0, -8])
@pytest.mark.parametrize(("size", "rows_per_scale"), [(128, 1), (256, 8), (COLUMNS, ROWS)])
def test_integers_decode_to_the_same_numbers(
    dtype: str, least: int, size: int, rows_per_scale: int
) -> None:
    weight = integers(Groups(size, None), rows_per_scale, least)
    found = decoded(dtype, integer_runs(weight, dtype, least))
    assert (found == weight.widen()).all()


def test_without_zero_points_numbers_have_none() -> None:
    weight = integers(least=-8)._replace(zeros=None)
    found = decoded("I4_128", integer_runs(weight, "I4_128", -8))
    assert (found == weight.widen()).all()


@pytest.mark.parametrize(
    "weight",
    [
        integers(Groups(48, None)),
        integers(Groups(128, np.arange(COLUMNS) % 3)),
        integers()._replace(scales=np.full((ROWS, 3), 0.1, np.float32)),
        integers()._replace(zeros=np.full((ROWS, 3), 256, np.int16)),
        integers()._replace(zeros=np.full((ROWS, 3), -1, np.int16)),
    ],
)
def test_what_would_not_be_exact_is_refused(weight: ScaledWeight) -> None:
    with pytest.raises(ValueError, match=r"share a scale|too many bits"):
        integer_runs(weight, "I4_32", 0)


@pytest.mark.parametrize(("size", "rows_per_scale"), [(128, 8), (COLUMNS, 1), (COLUMNS, ROWS)])
def test_floats_decode_to_the_same_numbers(size: int, rows_per_scale: int) -> None:
    codes = np.random.default_rng(3).integers(0, 127, (ROWS, COLUMNS)).astype(np.uint8)
    codes[::2] |= 128
    groups, values = Groups(size, None), e4m3_values()
    scales = np.random.default_rng(5).uniform(0.001, 1, (ROWS // rows_per_scale, COLUMNS // size))
    weight = ScaledWeight(
        ROWS,
        COLUMNS,
        lambda rows: values[codes[rows]],
        None,
        scales.astype(np.float32),
        rows_per_scale,
        groups,
    )
    found = decoded("E4M3_128", float_runs(weight, "E4M3_128", codes))
    assert found.tobytes() == weight.widen().tobytes()
