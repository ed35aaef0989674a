"""The matrix product of the device that a test runs on."""

from __future__ import annotations

from typing import Any

from forge_worker.cuda.cublaslt import CublasLtGemm
from forge_worker.cuda.cublaslt_library import CublasLt
from forge_worker.cuda.device import Device
from forge_worker.cuda.gemm import Gemm
from forge_worker.cuda.libraries import open_library
from forge_worker.cuda.precision import Precision
from forge_worker.ops.protocol import Array
from tests.cuda_emulator.device import EmulatedDevice
from tests.cuda_emulator.numpy_gemm import NumpyGemm
from tests.cuda_emulator.opaque import OpaqueDevice


def gemm_on(
    device: Device, precision: Precision, workspace: Array, *, is_deterministic: bool = False
) -> Gemm:
    """NumPy's where kernels are emulated, cublasLt's on a GPU."""
    if isinstance(device, EmulatedDevice):
        return NumpyGemm(device, precision)
    if isinstance(device, OpaqueDevice):
        return _OpaqueGemm(NumpyGemm(device.emulated, precision))
    library = CublasLt(open_library("cublasLt"))
    return CublasLtGemm(library, device, precision, workspace, is_deterministic)


class _OpaqueGemm:
    def __init__(self, gemm: NumpyGemm) -> None:
        self._gemm = gemm

    def __call__(
        self, x: Array, weight: Array, out: Array, bias: Array | None = None, *, accumulate: bool
    ) -> None:
        arrays: Any = [array if array is None else array.inner for array in (x, weight, out, bias)]
        self._gemm(*arrays, accumulate=accumulate)
