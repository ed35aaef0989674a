"""Cases of mma and ldmatrix: where their fragments lie, by the layouts of the PTX manual."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from forge_worker.cuda.precision import Precision
from tests.cuda_emulator.intrinsic_case import LANES, WARP, Floats, IntrinsicCase, Words, bits
from tests.cuda_emulator.number_cases import rounded_bits

GROUPS = LANES // 4
PLACES = LANES % 4


def products(random: np.random.Generator) -> list[IntrinsicCase]:
    """Of small whole numbers, so that the order of summation does not matter."""
    cases = []
    for kernel, precision in (("mma_bf16", Precision.BFLOAT16), ("mma_half", Precision.FLOAT16)):
        a = random.integers(-8, 9, (16, 16)).astype(np.float32)
        b = random.integers(-8, 9, (16, 8)).astype(np.float32)
        d = random.integers(-99, 99, (16, 8)).astype(np.float32)
        fragments = [
            *(
                _pair(precision, a[row, column], a[row, column + 1])
                for row, column in _places_of_a()
            ),
            *(_pair(precision, b[row, GROUPS], b[row + 1, GROUPS]) for row in _rows_of_b()),
            *(bits(d[row, column]) for row, column in _places_of_d()),
        ]
        product = a @ b + d
        expected = np.stack([product[row, column] for row, column in _places_of_d()])
        cases.append(IntrinsicCase(kernel, WARP, np.stack(fragments), expected))
    return cases


def _places_of_a() -> list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Row and column of the lower element of each register, by lane."""
    return [(GROUPS + 8 * (i % 2), 2 * PLACES + 8 * (i // 2)) for i in range(4)]


def _rows_of_b() -> list[npt.NDArray[Any]]:
    return [2 * PLACES + 8 * i for i in range(2)]


def _places_of_d() -> list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    return [(GROUPS + 8 * (i // 2), 2 * PLACES + i % 2) for i in range(4)]


def _pair(precision: Precision, low: Floats, high: Floats) -> Words:
    return rounded_bits(precision, low) | rounded_bits(precision, high) << np.uint32(16)


def matrix_loads(random: np.random.Generator) -> list[IntrinsicCase]:
    matrices = random.integers(0, 2**16, (4, 8, 8), np.uint16)
    given = np.ascontiguousarray(matrices.reshape(WARP, 8).view(np.uint32).T)

    def fragment(matrix: npt.NDArray[np.uint16]) -> Words:
        low, high = matrix[GROUPS, 2 * PLACES], matrix[GROUPS, 2 * PLACES + 1]
        return low.astype(np.uint32) | high.astype(np.uint32) << np.uint32(16)

    straight = np.stack([fragment(matrix) for matrix in matrices])
    transposed = np.stack([fragment(matrix.T) for matrix in matrices])
    return [
        IntrinsicCase("ldmatrix", WARP, given, straight),
        IntrinsicCase("ldmatrix_transposed", WARP, given, transposed),
    ]
