"""FP8 E4M3 said slowly: all 127 magnitudes in a table, and the nearest of them to any number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from forge_worker.forward_inputs import FloatArray

Codes = npt.NDArray[np.uint8]

LARGEST = 448.0


def magnitudes() -> npt.NDArray[np.float64]:
    """Of the codes 0 to 0x7E: exponents from -6, below them steps of 2**-9."""
    exponents, mantissas = np.divmod(np.arange(0x7F), 8)
    normal = (1 + mantissas / 8) * 2.0 ** (exponents - 7)
    return np.where(exponents == 0, mantissas * 2.0**-9, normal)


def fp8_values(codes: Codes) -> FloatArray:
    signs = np.where(codes & 0x80, -1.0, 1.0)
    values = signs * np.append(magnitudes(), np.nan)[codes & 0x7F]
    return values.astype(np.float32)


def fp8_codes(x: FloatArray) -> Codes:
    """To nearest, ties to the even code, at most 448; x is a number."""
    table = magnitudes()
    middles = (table[1:] + table[:-1]) / 2
    size = np.abs(x).astype(np.float64)
    above = np.searchsorted(middles, size, side="left")
    is_tie = (size == np.append(middles, np.inf)[above]) & (above % 2 == 1)
    return ((above + is_tie) | (np.signbit(x) << 7)).astype(np.uint8)
