"""Rounding to bfloat16 and float16, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from forge_worker.cuda.precision import Precision
from tests.worker.cuda.rounding import UNIT_ROUNDOFF

BF16, F16, F32 = Precision.BFLOAT16, Precision.FLOAT16, Precision.FLOAT32


def through(precision: Precision, *values: float) -> npt.NDArray[Any]:
    return precision.widened(precision.rounded(np.array(values, np.float32)))


def bfloat16_bits(*values: float) -> list[int]:
    bits: list[int] = BF16.rounded(np.array(values, np.float32)).tolist()
    return bits


def test_bfloat16_is_the_upper_half_of_a_float32() -> None:
    assert bfloat16_bits(1.0, -2.0, 0.0, -0.0) == [0x3F80, 0xC000, 0x0000, 0x8000]


def test_bfloat16_rounds_to_nearest_and_ties_to_even() -> None:
    step = 2.0**-7  # between neighbours above 1
    below, tie_down, tie_up = 1 + 0.49 * step, 1 + 0.5 * step, 1 + 1.5 * step
    assert through(BF16, below, tie_down, tie_up).tolist() == [1.0, 1.0, 1 + 2 * step]


def test_bfloat16_beyond_its_largest_becomes_infinite() -> None:
    largest = np.float32(3.3895314e38)
    assert through(BF16, largest, np.finfo(np.float32).max).tolist() == [largest, np.inf]
    assert through(BF16, -np.inf).tolist() == [-np.inf]


def test_what_is_no_number_stays_none_whatever_its_bits() -> None:
    bits = np.array([0x7FFFFFFF, 0x7F800001, 0xFFFFFFFF, 0x7FC00000], np.uint32)
    for precision in Precision:
        assert np.isnan(precision.widened(precision.rounded(bits.view(np.float32)))).all()


def test_subnormal_numbers_survive_bfloat16() -> None:
    assert through(BF16, 2.0**-130).tolist() == [2.0**-130]


@pytest.mark.parametrize("precision", list(Precision))
def test_rounding_is_wrong_by_at_most_the_unit_roundoff(precision: Precision) -> None:
    values = np.random.default_rng(0).normal(size=(3, 500)).astype(np.float32)
    back = precision.widened(precision.rounded(values))
    assert (abs(back - values) <= UNIT_ROUNDOFF[precision] * abs(values) + 2.0**-25).all()
    np.testing.assert_array_equal(precision.rounded(back), precision.rounded(values))


def test_rows_with_gaps_are_rounded_in_place_of_their_copy() -> None:
    values = np.arange(24, dtype=np.float32).reshape(4, 6)
    rounded = BF16.rounded(values[:, ::2])
    np.testing.assert_array_equal(BF16.widened(rounded), values[:, ::2])


@pytest.mark.parametrize(
    ("precision", "dtype", "kernel_type"),
    [(BF16, np.uint16, "Bf16"), (F16, np.float16, "Half"), (F32, np.float32, "float")],
)
def test_arrays_and_kernels_agree_on_the_width(
    precision: Precision, dtype: type, kernel_type: str
) -> None:
    assert precision.dtype == np.dtype(dtype)
    assert precision.element_bytes == np.dtype(dtype).itemsize
    assert precision.kernel_type == kernel_type
