"""Blocks hold the very numbers, or there are none."""

from __future__ import annotations

import numpy as np
import pytest

from forge_common.checkpoint.block_formats import BLOCK_FORMATS
from forge_worker.quantization.decode import decode
from forge_worker.quantization.packed.exact_blocks import exact_blocks
from forge_worker.quantization.packed.scaled_weight import Groups, ScaledWeight

ROWS, COLUMNS = 24, 96


def weight(
    least: int = -8,
    most: int = 7,
    scale: float = 0.01171875,
    groups: Groups = Groups(32, None),  # noqa: B008
    columns: int = COLUMNS,
) -> ScaledWeight:
    generator = np.random.default_rng(3)
    levels = generator.integers(least, most, (ROWS, columns), endpoint=True).astype(np.int16)
    levels[-1, -1], levels[0, 0] = least, most
    scales = np.full((ROWS, -(-columns // groups.size)), scale, np.float32)
    scales *= generator.integers(1, 9, scales.shape)
    return ScaledWeight(ROWS, columns, lambda rows: levels[rows].copy(), None, scales, 1, groups)


@pytest.mark.parametrize(
    ("dtype", "least", "most"), [("Q4_0", -8, 7), ("Q8_0", -128, 127), ("Q8_0", -16, 15)]
)
@pytest.mark.parametrize("size", [32, 64, 96])
def test_blocks_decode_to_the_same_bits(dtype: str, least: int, most: int, size: int) -> None:
    scaled = weight(least, most, groups=Groups(size, None))
    blocks = exact_blocks(scaled, dtype)
    assert blocks is not None
    assert blocks.shape == (ROWS, BLOCK_FORMATS[dtype].row_bytes(COLUMNS))
    decoded = np.empty((ROWS, COLUMNS), np.float32)
    decode(dtype, blocks, decoded)
    assert decoded.tobytes() == scaled.widen().tobytes()


@pytest.mark.parametrize(
    ("dtype", "scaled"),
    [
        ("Q4_0", weight(-9, 7)),
        ("Q4_0", weight(-8, 8)),
        ("Q8_0", weight(-129, 0)),
        ("Q8_0", weight(0, 128)),
        ("Q8_0", weight(scale=0.1)),
        ("Q8_0", weight(scale=1e-9)),
        ("Q8_0", weight(scale=1e9)),
        ("Q8_0", weight(groups=Groups(16, None))),
        ("Q8_0", weight(groups=Groups(48, None))),
        ("Q8_0", weight(groups=Groups(32, np.arange(COLUMNS) % 3))),
        ("Q8_0", weight(columns=40, groups=Groups(40, None))),
    ],
)
def test_what_would_not_be_exact_is_no_block(dtype: str, scaled: ScaledWeight) -> None:
    assert exact_blocks(scaled, dtype) is None


def test_scales_of_many_rows_are_those_of_each() -> None:
    scaled = weight()
    shared = scaled._replace(scales=scaled.scales[:3], rows_per_scale=8)
    blocks = exact_blocks(shared, "Q8_0")
    assert blocks is not None
    decoded = np.empty((ROWS, COLUMNS), np.float32)
    decode("Q8_0", blocks, decoded)
    assert (decoded == shared.widen()).all()


def test_scale_that_is_no_number_stays_none() -> None:
    scaled = weight(scale=float("nan"))
    assert exact_blocks(scaled, "Q4_0") is not None
    assert np.isnan(scaled.widen()).all()
