"""Cases of arithmetic, of rounding, and of moving eight elements at a time."""

from __future__ import annotations

import numpy as np

from forge_worker.cuda.precision import Precision
from tests.cuda_emulator.intrinsic_case import (
    LANES,
    WARP,
    Floats,
    IntrinsicCase,
    Words,
    bits,
    words,
)

_AWKWARD = [
    0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, 65504.0, 65519.0, 65520.0, 1e-8, 3e38,
    1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-9, 1 + 2**-11, 1 + 3 * 2**-11, 2**-24, 2**-25, 3 * 2**-26,
]  # fmt: skip


def arithmetic(random: np.random.Generator) -> list[IntrinsicCase]:
    a, b = given = words(random, 2, WARP)
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
        IntrinsicCase("power_of_two", WARP, bits(exponents), powers, max_ulps=3),
    ]


def elements(random: np.random.Generator) -> list[IntrinsicCase]:
    """Ties, the greatest and the smallest numbers among them."""
    values = random.standard_normal((2, WARP)).astype(np.float32)
    values[0, : len(_AWKWARD)] = _AWKWARD
    cases = []
    for kernel, precision in (
        ("elements_bf16", Precision.BFLOAT16),
        ("elements_half", Precision.FLOAT16),
    ):
        low, high = rounded_bits(precision, values)
        widened = bits(_widened(precision, low))
        expected = np.stack([low, widened, low | high << np.uint32(16)])
        cases.append(IntrinsicCase(kernel, WARP, bits(values), expected))
    return cases


def multiply_adds(random: np.random.Generator) -> list[IntrinsicCase]:
    """Of few digits, so that float32 holds the sums; the smallest numbers of a type among them."""
    cases = []
    for kernel, precision, least in (
        ("multiply_adds_bf16", Precision.BFLOAT16, -133),
        ("multiply_adds_half", Precision.FLOAT16, -24),
    ):
        whole = random.integers(-15, 16, (2, WARP)).astype(np.float32)
        a = np.concatenate([np.ldexp(whole[:, :16], least), whole[:, 16:]], axis=1)
        b = random.integers(-127, 128, (2, WARP)).astype(np.float32)
        b[:, :16] = np.ldexp(b[:, :16], -least - 24)
        c = np.where((LANES < 16) | (LANES % 2 == 0), -0.0, -128 * np.abs(b)).astype(np.float32)
        given = [rounded_bits(precision, part) for part in (a, b, c)]
        sums = rounded_bits(precision, (a.astype(np.float64) * b + c).astype(np.float32))
        pairs = [low | high << np.uint32(16) for low, high in (*given, sums)]
        cases.append(IntrinsicCase(kernel, WARP, np.stack(pairs[:3]), pairs[3][None]))
    return cases


def rounded_bits(precision: Precision, values: Floats) -> Words:
    with np.errstate(over="ignore"):
        return precision.rounded(values).view(np.uint16).astype(np.uint32)


def _widened(precision: Precision, bits: Words) -> Floats:
    return precision.widened(bits.astype(np.uint16).view(precision.dtype))


def eights(random: np.random.Generator) -> list[IntrinsicCase]:
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
