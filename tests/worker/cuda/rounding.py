"""How far a kernel's result may lie from the exact one: what rounding explains, and no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from forge_worker.cuda.precision import Precision

UNIT_ROUNDOFF = {
    Precision.BFLOAT16: 2.0**-8,
    Precision.FLOAT16: 2.0**-11,
    Precision.FLOAT32: 2.0**-24,
}
_SUBNORMAL_ROUNDOFF = {
    Precision.BFLOAT16: 2.0**-126,
    Precision.FLOAT16: 2.0**-25,  # half of its smallest number
    Precision.FLOAT32: 2.0**-126,
}


def assert_rounded_once(
    stored: npt.NDArray[Any],
    exact: npt.NDArray[np.float64],
    precision: Precision,
    *,
    float_roundings: int,
    magnitude: npt.NDArray[np.float64] | None = None,
) -> None:
    """`stored`, in the bits of `precision`, is `exact` but for its own rounding and float32's.

    The kernel rounds intermediate results `float_roundings` times in float32, each by a share of
    `magnitude`: by default the result itself, or more where the work subtracts.
    """
    magnitude = abs(exact) if magnitude is None else magnitude
    allowed = (
        UNIT_ROUNDOFF[precision] * abs(exact)
        + float_roundings * UNIT_ROUNDOFF[Precision.FLOAT32] * magnitude
        + _SUBNORMAL_ROUNDOFF[precision]
    )
    excess = abs(precision.widened(stored) - exact) / allowed
    worst = np.unravel_index(np.argmax(excess), excess.shape) if excess.size else ()
    assert excess.size == 0 or excess.max() <= 1, f"{excess.max()} of what is allowed, at {worst}"


def drawn(
    precision: Precision, shape: tuple[int, ...], seed: int, mean: float = 0.0
) -> npt.NDArray[Any]:
    """Normal numbers of spread 1 in the bits of `precision`."""
    values = np.random.default_rng(seed).normal(mean, 1.0, shape)
    return precision.rounded(values.astype(np.float32))
