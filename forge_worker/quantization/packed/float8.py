"""E4M3: a float of one byte, without infinities (Micikevicius et al. 2022).

    | sign | exponent, 4 bits, 7 more than it is | mantissa, 3 bits |

0x7F and 0xFF are no numbers; with an exponent of 0, the mantissa has no leading 1.

Knows bits, no weights.
"""

from __future__ import annotations

import numpy as np

from forge_worker.quantization.fields import Floats

BIAS = 7
NOT_A_NUMBER = 0x7F


def e4m3_values() -> Floats:
    """float32 [256]: what each byte stands for, exactly."""
    codes = np.arange(256)
    exponents, mantissas = (codes >> 3) & 15, codes & 7
    whole = np.where(exponents == 0, mantissas, mantissas + 8)  # eighths
    values = np.ldexp(whole.astype(np.float32), np.maximum(exponents, 1) - BIAS - 3)
    values = np.where(codes >= 128, -values, values)
    values[(codes & NOT_A_NUMBER) == NOT_A_NUMBER] = np.nan
    floats: Floats = values.astype(np.float32)
    return floats
