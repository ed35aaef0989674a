"""NumpyGemm does what the Gemm protocol says, in each precision."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cuda.gemm import Gemm
from forge_worker.cuda.precision import Precision
from tests.cuda_emulator import EmulatedDevice, NumpyGemm

ROWS, COLUMNS, DEPTH = 3, 5, 16


def whole_numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(-4, 5, shape).astype(np.float32)


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("out_precision", [None, Precision.FLOAT32])
@pytest.mark.parametrize("precision", Precision)
def test_product_of_rows_that_lie_apart(
    precision: Precision, out_precision: Precision | None, accumulate: bool, has_bias: bool
) -> None:
    gemm: Gemm = NumpyGemm(EmulatedDevice(), precision)
    of_out = out_precision or precision
    x, weight = whole_numbers(ROWS, DEPTH), whole_numbers(COLUMNS, DEPTH)
    bias = whole_numbers(COLUMNS)
    wide_x = np.zeros((ROWS, DEPTH + 8), precision.dtype)
    wide_x[:, :DEPTH] = precision.rounded(x)
    wide_out = of_out.rounded(np.ones((ROWS, COLUMNS + 3), np.float32))
    gemm(
        wide_x[:, :DEPTH],
        precision.rounded(weight),
        wide_out[:, :COLUMNS],
        precision.rounded(bias) if has_bias else None,
        accumulate=accumulate,
    )
    expected = x @ weight.T + bias * has_bias + accumulate
    np.testing.assert_array_equal(of_out.widened(wide_out[:, :COLUMNS]), expected)
    np.testing.assert_array_equal(of_out.widened(wide_out[:, COLUMNS:]), 1)


def test_sum_is_rounded_once() -> None:
    """256 + 1 + 1 is 258 in bfloat16, which knows no 257: rounding on the way would give 256."""
    precision = Precision.BFLOAT16
    x = precision.rounded(np.ones((1, 2), np.float32))
    out = precision.rounded(np.full((1, 1), 256, np.float32))
    NumpyGemm(EmulatedDevice(), precision)(x, x, out, accumulate=True)
    assert precision.widened(out) == 258


def test_operands_of_another_precision_or_shape_are_refused() -> None:
    gemm = NumpyGemm(EmulatedDevice(), Precision.FLOAT16)
    x, weight, out = (np.zeros((2, 2), np.float16) for _ in range(3))
    with pytest.raises(ValueError, match="an operand is float32, not float16"):
        gemm(x.astype(np.float32), weight, out, accumulate=False)
    with pytest.raises(ValueError, match="do not fit"):
        gemm(x, weight, out[:1], accumulate=False)
    with pytest.raises(ValueError, match="out is uint16"):
        gemm(x, weight, out.view(np.uint16), accumulate=False)
