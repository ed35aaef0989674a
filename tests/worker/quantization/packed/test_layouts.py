"""Each layout means what its format says, number by number, on shapes that divide by little."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from forge_common.checkpoint.quantized.scheme import Grid, Scheme, SchemeKind
from forge_worker.quantization.packed.layouts import LAYOUTS, PackedArrays
from forge_worker.quantization.packed.scaled_weight import SLAB_ELEMENTS, Groups, ScaledWeight
from tests import quantized_files
from tests.quantized_files import Maker, Quantized, Raw

NAMES = {
    "gptq": ("qweight", "scales", "qzeros", "g_idx"),
    "awq": ("qweight", "scales", "qzeros", "none"),
    "packed": ("weight_packed", "weight_scale", "weight_zero_point", "weight_g_idx"),
    "int8": ("weight", "weight_scale", "weight_zero_point", "none"),
    "fp8": ("weight", "weight_scale_inv", "none", "none"),
}
gptq, awq, packed = quantized_files.gptq, quantized_files.awq, quantized_files.packed
int8, fp8 = quantized_files.int8, quantized_files.fp8

CASES: list[tuple[SchemeKind, int, tuple[int, int], Maker]] = [
    ("gptq", 4, (1, 16), gptq(4, 16, is_symmetric=False)),
    ("gptq", 4, (1, 16), gptq(4, 16, is_symmetric=False, is_ordered=True)),
    ("gptq", 8, (1, 24), gptq(8, 24, is_symmetric=False)),
    ("gptq", 8, (1, 40), gptq(8, -1)),
    ("awq", 4, (1, 8), awq(8)),
    ("awq", 4, (1, 24), awq(24)),
    ("packed", 4, (1, 16), packed(4, 16, is_symmetric=False)),
    ("packed", 4, (1, 16), packed(4, 16, is_symmetric=False, is_ordered=True)),
    ("packed", 8, (1, 40), packed(8, None)),
    ("int8", 8, (1, 24), int8(24, is_symmetric=False)),
    ("int8", 8, (1, 40), int8()),
    ("fp8", 8, (32, 16), fp8((32, 16))),
    ("fp8", 8, (24, 40), fp8((None, None))),
]


def read(kind: SchemeKind, bits: int, grid: tuple[int, int], made: Quantized) -> ScaledWeight:
    numbers, scales, zeros, order = (plain(made.parts.get(name)) for name in NAMES[kind])
    scheme = Scheme(
        kind=kind,
        bits=bits,
        grid=Grid(*grid),
        is_symmetric=False,
        stores_zeros_less_one=kind == "gptq",
    )
    groups = Groups(grid[1], order if order is None else order.astype(np.int64))
    shape = made.values.shape
    wide = scales.astype(np.float32)
    arrays = PackedArrays(scheme, shape, numbers, wide, zeros, grid[0], groups)
    return LAYOUTS[kind](arrays)


def plain(part: np.ndarray | Raw | None) -> np.ndarray | None:
    if not isinstance(part, Raw):
        return None if part is None else np.ascontiguousarray(part)
    if part.dtype == "BF16":
        return (part.bits.astype(np.uint32) << 16).view(np.float32)
    return part.bits


@pytest.mark.parametrize(("kind", "bits", "grid", "make"), CASES)
def test_numbers_are_exact(kind: SchemeKind, bits: int, grid: tuple[int, int], make: Maker) -> None:
    made = make(np.random.default_rng(1), 24, 40)
    weight = read(kind, bits, (min(grid[0], 24), grid[1]), made)
    assert weight.widen().tobytes() == made.values.tobytes()


@pytest.mark.parametrize(("kind", "make"), [("gptq", gptq(4, 32)), ("awq", awq(32))])
def test_slabs_join_without_a_seam(kind: SchemeKind, make: Callable[..., Quantized]) -> None:
    inputs = SLAB_ELEMENTS // 16
    made = make(np.random.default_rng(2), 40, inputs)
    weight = read(kind, 4, (1, 32), made)
    assert len(list(weight.slabs())) == 3
    assert (weight.widen() == made.values).all()


def test_zero_point_of_gptq_that_was_borrowed_for_comes_back() -> None:
    """0 less one takes from the integer beside it, in the words that tools subtract from."""
    zeros = np.array([[0, 7, 15, 0, 1, 8, 0, 3]])
    words = quantized_files.words(zeros, 4).view(np.uint32) - np.uint32(0x11111111)
    scheme = Scheme(
        kind="gptq", bits=4, grid=Grid(1, None), is_symmetric=False, stores_zeros_less_one=True
    )
    levels = np.zeros((1, 8), np.int32)
    arrays = PackedArrays(
        scheme,
        (8, 8),
        levels,
        np.ones((1, 8), np.float32),
        words.view(np.int32),
        1,
        Groups(8, None),
    )
    assert (LAYOUTS["gptq"](arrays).widen() == -zeros.T).all()
