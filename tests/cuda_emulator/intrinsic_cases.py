"""What each kernel of kernels/probes.cu must give, lane by lane, described in NumPy.

A GPU must give the same; tests/gpu runs this table.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.cuda_emulator import number_cases, tensor_core_cases, warp_cases
from tests.cuda_emulator.intrinsic_case import PROBES, IntrinsicCase

__all__ = ["PROBES", "IntrinsicCase", "intrinsic_cases"]

_MAKERS: tuple[Callable[[np.random.Generator], list[IntrinsicCase]], ...] = (
    warp_cases.shuffles,
    warp_cases.votes,
    warp_cases.matches,
    warp_cases.atomics,
    warp_cases.reductions,
    warp_cases.copies,
    number_cases.arithmetic,
    number_cases.elements,
    number_cases.eights,
    number_cases.multiply_adds,
    tensor_core_cases.products,
    tensor_core_cases.matrix_loads,
)


def intrinsic_cases() -> list[IntrinsicCase]:
    random = np.random.default_rng(7)
    return [case for maker in _MAKERS for case in maker(random)]
