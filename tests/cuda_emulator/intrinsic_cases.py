"""What each kernel of kernels/probes.cu must give, lane by lane, described in NumPy.

Inputs and results are 32 bits an element. A GPU must give the same; tests/gpu runs this table.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from forge_worker.cuda.device import Device, KernelSource
from forge_worker.cuda.precision import Precision

PROBES = KernelSource(str(Path(__file__).with_name("kernels") / "probes.cu"))

WARP = 32
BLOCK = 128
LANES = np.arange(WARP)
GROUPS = LANES // 4  # of fragments, see intrinsics.cuh
PLACES = LANES % 4

Words = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float32]


class IntrinsicCase(NamedTuple):
    kernel: str
    threads: int
    given: Words
    expected: npt.NDArray[Any]  # uint32 for equal bits, float32 for equal numbers
    max_ulps: int = 0  # how far numbers may be off, in units of the last place

    def measured(self, device: Device) -> npt.NDArray[Any]:
        """What the kernel gives on `device`, as `expected` is."""
        given = device.allocate(self.given.nbytes)
        result = device.allocate(self.expected.nbytes)
        pinned = device.allocate_pinned(self.given.nbytes)
        pinned[:] = self.given.reshape(-1).view(np.uint8)
        device.upload(given, pinned)
        kernel = device.kernels(PROBES)[self.kernel]
        kernel((1, 1, 1), (self.threads, 1, 1), [given, result])
        read = device.allocate_pinned(self.expected.nbytes)
        device.download(read, result)
        device.synchronize()
        return read.view(self.expected.dtype).reshape(self.expected.shape)

    def check(self, device: Device) -> None:
        measured = self.measured(device)
        if self.max_ulps:
            np.testing.assert_array_max_ulp(measured, self.expected, self.max_ulps)
        else:
            np.testing.assert_array_equal(measured, self.expected)


def intrinsic_cases() -> list[IntrinsicCase]:
    random = np.random.default_rng(7)
    makers: list[Callable[[np.random.Generator], list[IntrinsicCase]]] = [
        _shuffles, _votes, _reductions, _arithmetic, _elements, _eights, _products, _matrix_loads,
        _copies,
    ]  # fmt: skip
    return [case for maker in makers for case in maker(random)]


def _words(random: np.random.Generator, *shape: int) -> Words:
    return random.integers(0, 2**32, shape, np.uint32)


def _bits(values: npt.ArrayLike) -> Words:
    return np.ascontiguousarray(values, np.float32).view(np.uint32)


def _shuffles(random: np.random.Generator) -> list[IntrinsicCase]:
    given = np.stack([_words(random, WARP), random.integers(0, WARP, WARP, np.uint32)])
    value, lane = given[0], given[1].astype(int)

    def shifted(distance: int, width: int) -> Words:
        """From the lane so much further on; from itself where that leaves the segment."""
        source = LANES + distance
        moved: Words = value[np.where(source // width == LANES // width, source, LANES)]
        return moved

    expected = [
        value[lane],
        value[LANES // 8 * 8 + lane % 8],
        value[LANES ^ 5],
        shifted(-3, 32),
        shifted(-3, 16),
        shifted(7, 32),
        shifted(7, 16),
    ]
    halves = value.copy()
    halves[:16] += halves[LANES ^ 1][:16]
    halves[:16] += halves[LANES ^ 2][:16]
    halves[16:] += value[LANES ^ 8][16:]
    return [
        IntrinsicCase("shuffles", WARP, given, np.stack(expected)),
        IntrinsicCase("shuffles_of_halves", WARP, value[None], np.stack([halves, halves[::-1]])),
    ]


def _votes(random: np.random.Generator) -> list[IntrinsicCase]:
    is_set = random.integers(0, 2, WARP, np.uint32)
    powers = np.uint32(1) << LANES.astype(np.uint32)
    ballot = (is_set * powers).sum(dtype=np.uint32)
    of_even_lanes = (is_set * powers)[::2].sum(dtype=np.uint32)
    votes = np.repeat(np.array([ballot, 1, 0, 0, 1], np.uint32)[:, None], WARP, axis=1)
    after_return = np.where(LANES % 2 == 0, of_even_lanes, 0).astype(np.uint32)
    in_block = random.integers(0, 2, BLOCK, np.uint32)
    in_block[:2] = 0, 1
    block_votes = np.array([1, 0, in_block.sum()], np.uint32)
    return [
        IntrinsicCase("votes", WARP, is_set[None], votes),
        IntrinsicCase("vote_after_return", WARP, is_set[None], after_return[None]),
        IntrinsicCase(
            "block_votes", BLOCK, in_block[None], np.repeat(block_votes, BLOCK).reshape(3, -1)
        ),
    ]


def _reductions(random: np.random.Generator) -> list[IntrinsicCase]:
    """Of whole numbers, whose sums are exact in any order."""
    warp = random.integers(-1000, 1000, (1, WARP)).astype(np.float32)
    block = random.integers(-1000, 1000, (2, BLOCK)).astype(np.float32)
    of_warp = np.array([warp.sum(), warp.max()], np.float32)
    of_block = np.array([*block.sum(axis=1), block[0].max()], np.float32)
    return [
        IntrinsicCase(
            "warp_reductions", WARP, _bits(warp), np.repeat(of_warp, WARP).reshape(2, -1)
        ),
        IntrinsicCase(
            "block_reductions", BLOCK, _bits(block), np.repeat(of_block, BLOCK).reshape(3, -1)
        ),
    ]


def _arithmetic(random: np.random.Generator) -> list[IntrinsicCase]:
    a, b = given = _words(random, 2, WARP)
    a[:2] = 0, 1
    as_bits = (a[:, None] >> np.arange(32, dtype=np.uint32)) & 1  # the lowest first
    is_zero = a == 0
    expected = [
        ((a.astype(np.uint64) * b) >> np.uint64(32)).astype(np.uint32),
        as_bits.sum(axis=1, dtype=np.uint32),
        np.where(is_zero, 32, as_bits[:, ::-1].argmax(axis=1)).astype(np.uint32),
        np.where(is_zero, 0, as_bits.argmax(axis=1) + 1).astype(np.uint32),
        (as_bits[:, ::-1] << np.arange(32, dtype=np.uint32)).sum(axis=1, dtype=np.uint32),
    ]
    exponents = random.uniform(-30, 30, (1, WARP)).astype(np.float32)
    exponents[0, :2] = 0, -np.inf
    powers = np.exp2(exponents.astype(np.float64)).astype(np.float32)
    return [
        IntrinsicCase("bits", WARP, given, np.stack(expected)),
        IntrinsicCase("power_of_two", WARP, _bits(exponents), powers, max_ulps=3),
    ]


_AWKWARD = [
    0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, 65504.0, 65519.0, 65520.0, 1e-8, 3e38,
    1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-9, 1 + 2**-11, 1 + 3 * 2**-11, 2**-24, 2**-25, 3 * 2**-26,
]  # fmt: skip


def _elements(random: np.random.Generator) -> list[IntrinsicCase]:
    """Ties, the greatest and the smallest numbers among them."""
    values = random.standard_normal((2, WARP)).astype(np.float32)
    values[0, : len(_AWKWARD)] = _AWKWARD
    cases = []
    for kernel, precision in (
        ("elements_bf16", Precision.BFLOAT16),
        ("elements_half", Precision.FLOAT16),
    ):
        low, high = _rounded_bits(precision, values)
        widened = _bits(_widened(precision, low))
        expected = np.stack([low, widened, low | high << np.uint32(16)])
        cases.append(IntrinsicCase(kernel, WARP, _bits(values), expected))
    return cases


def _rounded_bits(precision: Precision, values: Floats) -> Words:
    with np.errstate(over="ignore"):
        return precision.rounded(values).view(np.uint16).astype(np.uint32)


def _widened(precision: Precision, bits: Words) -> Floats:
    return precision.widened(bits.astype(np.uint16).view(precision.dtype))


def _eights(random: np.random.Generator) -> list[IntrinsicCase]:
    cases = []
    for kernel, precision in (
        ("eight_bf16", Precision.BFLOAT16),
        ("eight_half", Precision.FLOAT16),
        ("eight_float", Precision.FLOAT32),
    ):
        values = precision.rounded(random.standard_normal(WARP * 8).astype(np.float32))
        negated = precision.rounded(-precision.widened(values))
        expected = np.concatenate([values, negated]).view(np.uint32)
        cases.append(IntrinsicCase(kernel, WARP, values.view(np.uint32), expected))
    return cases


def _products(random: np.random.Generator) -> list[IntrinsicCase]:
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
            *(_bits(d[row, column]) for row, column in _places_of_d()),
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
    return _rounded_bits(precision, low) | _rounded_bits(precision, high) << np.uint32(16)


def _matrix_loads(random: np.random.Generator) -> list[IntrinsicCase]:
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


def _copies(random: np.random.Generator) -> list[IntrinsicCase]:
    given = _words(random, WARP, 4)
    of_even = np.where(LANES[:, None] % 2 == 0, given, 0).astype(np.uint32)
    expected = np.stack([given[LANES ^ 1], of_even[LANES ^ 1]])
    return [IntrinsicCase("async_copies", WARP, given, expected)]
