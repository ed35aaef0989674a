"""Precision: the number format of weights, activations and cached keys and values on the device.

bfloat16 is the upper half of a float32; NumPy has no such type, so it stands in uint16 arrays.
Sums are float32 whatever the precision. Knows no device.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from forge_worker.forward_inputs import FloatArray

_LOW_HALF = 16


class Precision(Enum):
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    FLOAT32 = "float32"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of arrays that hold it, on the host and on the device."""
        return np.dtype({"bfloat16": np.uint16, "float16": np.float16}.get(self.value, np.float32))

    @property
    def element_bytes(self) -> int:
        return self.dtype.itemsize

    @property
    def kernel_type(self) -> str:
        """The name of the type in kernels/elements.cuh."""
        return {"bfloat16": "Bf16", "float16": "Half"}.get(self.value, "float")

    def rounded(self, values: FloatArray) -> npt.NDArray[Any]:
        """`values` in this precision, to nearest, ties to even; NaN stays NaN."""
        if self is not Precision.BFLOAT16:
            return values.astype(self.dtype)
        bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
        upper = (bits + np.uint32(0x7FFF) + ((bits >> _LOW_HALF) & 1)) >> _LOW_HALF
        return np.where(np.isnan(values), np.uint32(0x7FC0), upper).astype(np.uint16)

    def widened(self, values: npt.NDArray[Any]) -> FloatArray:
        """Values of this precision as float32, exactly."""
        if self is not Precision.BFLOAT16:
            return values.astype(np.float32)
        return (values.astype(np.uint32) << _LOW_HALF).view(np.float32)
