"""NumpyGemm: products as the Gemm protocol has them, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from forge_worker.cuda.precision import Precision
from tests.cuda_emulator.device import EmulatedDevice


class NumpyGemm:
    def __init__(self, device: EmulatedDevice, precision: Precision) -> None:
        self._device = device
        self._precision = precision

    def __call__(
        self,
        x: npt.NDArray[Any],
        weight: npt.NDArray[Any],
        out: npt.NDArray[Any],
        bias: npt.NDArray[Any] | None = None,
        *,
        accumulate: bool,
    ) -> None:
        self._check(x, weight, out, bias)

        def multiply() -> None:
            product = self._precision.widened(x) @ self._precision.widened(weight).T
            if bias is not None:
                product += self._precision.widened(bias)
            of_out = self._precision if out.dtype != np.float32 else Precision.FLOAT32
            if accumulate:
                product += of_out.widened(out)
            out[...] = of_out.rounded(product)

        self._device.queue(multiply)

    def _check(
        self,
        x: npt.NDArray[Any],
        weight: npt.NDArray[Any],
        out: npt.NDArray[Any],
        bias: npt.NDArray[Any] | None,
    ) -> None:
        shapes_fit = x.shape[1] == weight.shape[1] and out.shape == (len(x), len(weight))
        if not shapes_fit or (bias is not None and bias.shape != (len(weight),)):
            raise ValueError(f"x {x.shape}, weight {weight.shape} and out {out.shape} do not fit")
        for array in (x, weight, *(() if bias is None else (bias,))):
            if array.dtype != self._precision.dtype:
                raise ValueError(f"an operand is {array.dtype}, not {self._precision.dtype}")
        if out.dtype not in (self._precision.dtype, np.dtype(np.float32)):
            raise ValueError(f"out is {out.dtype}")
