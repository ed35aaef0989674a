"""Runs CUDA kernels on the CPU, one fiber per CUDA thread, over NumPy arrays."""

from tests.cuda_emulator.device import EmulatedDevice
from tests.cuda_emulator.faults import EmulatedFault
from tests.cuda_emulator.guarded import guarded
from tests.cuda_emulator.numpy_gemm import NumpyGemm

__all__ = ["EmulatedDevice", "EmulatedFault", "NumpyGemm", "guarded"]
