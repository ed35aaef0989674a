"""Machine: a device with what measurements need beside it. Stamps are times on the device itself.

CupyMachine is the real one; the tests have another on emulated kernels. Knows no model.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, Protocol

from forge_common.device_workspace import GEMM_WORKSPACE_BYTES
from forge_common.nvidia_gpus import find_gpu
from forge_worker.cuda.cubin_cache import default_folder
from forge_worker.cuda.cublaslt import CublasLtGemm, Product
from forge_worker.cuda.cublaslt_library import CublasLt
from forge_worker.cuda.cupy_device import CupyDevice
from forge_worker.cuda.device import Device
from forge_worker.cuda.device_check import open_device
from forge_worker.cuda.gemm import Gemm
from forge_worker.cuda.gemm_tuning import GemmTuner, Job, ReplayTimer
from forge_worker.cuda.libraries import open_library
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.product_library import CublasLtLibrary, ProductLibrary
from forge_worker.cuda.start import prepare_environment
from forge_worker.cuda.tuning_scratch import TuningScratch
from forge_worker.ops.protocol import Array

MAX_TUNING_S = 10.0
_TOOL_TIMEOUT_S = 20.0
_CLOCKS = "clocks.sm,clocks.mem,clocks.max.sm,power.limit,temperature.gpu,driver_version"


class Stamp(Protocol):
    """A place in the device's stream, and when the device came by."""

    def seconds_since(self, earlier: Any) -> float:
        """Once the device has come by both."""


class Machine(Protocol):
    @property
    def device(self) -> Device: ...

    @property
    def free_at_start(self) -> int:
        """Bytes of the device, before anything of ours was there."""

    def stamp(self) -> Stamp:
        """Queue one."""

    def library(self) -> ProductLibrary: ...

    def tuned_gemm(self, product: Product, row_counts: list[int], scratch: Array) -> Gemm:
        """With the best algorithm for the product, found on `scratch`; for bfloat16."""

    def copy(self, target: Array, source: Array) -> None:
        """Queue a copy on the device."""

    def used_bytes(self) -> int | None:
        """Of the device's memory, by everybody, as `nvidia-smi` would show it."""


class HostStamp(NamedTuple):
    at_s: float

    def seconds_since(self, earlier: HostStamp) -> float:
        return self.at_s - earlier.at_s


def host_stamp() -> HostStamp:
    return HostStamp(perf_counter())


class CupyStamp(NamedTuple):
    cuda: Any
    event: Any

    def seconds_since(self, earlier: CupyStamp) -> float:
        return float(self.cuda.get_elapsed_time(earlier.event, self.event)) / 1e3


class NothingKept:
    """Algorithms are looked for anew."""

    def get(self, product: Product, row_class: int) -> bytes | None:
        return None

    def put(self, product: Product, row_class: int, algorithm: bytes) -> None:
        pass

    def save(self) -> None:
        pass


class CupyMachine:
    def __init__(self, index: int = 0) -> None:
        """DeviceError or ConfigError, one sentence, where there is no such GPU to be had."""
        prepare_environment(os.environ)
        gpu = find_gpu(index, os.environ)
        self._index = index
        self._folder: Path = default_folder(os.environ)
        self.device: CupyDevice = open_device(index, self._folder)
        self.free_at_start = self.device.free_bytes() if gpu is None else gpu.free_bytes
        import cupy  # which is there where a device was opened

        self._cuda = cupy.cuda
        self._stream = cupy.cuda.ExternalStream(self.device.stream)

    def stamp(self) -> CupyStamp:
        event = self._cuda.Event()
        event.record(self._stream)
        return CupyStamp(self._cuda, event)

    def library(self) -> ProductLibrary:
        return CublasLtLibrary(self.device, self._folder)

    def tuned_gemm(self, product: Product, row_counts: list[int], scratch: Array) -> Gemm:
        precision = Precision.BFLOAT16
        workspace, rest = scratch[:GEMM_WORKSPACE_BYTES], scratch[GEMM_WORKSPACE_BYTES:]
        library = CublasLt(open_library("cublasLt"))
        gemm = CublasLtGemm(library, self.device, precision, workspace, False)
        memory = TuningScratch(self.device, precision, rest)
        tuner = GemmTuner(gemm, memory, ReplayTimer(self.device))
        jobs: list[Job] = tuner.jobs([product], row_counts)
        until_s = perf_counter() + MAX_TUNING_S
        tuner.tune(jobs, NothingKept(), lambda: perf_counter() > until_s)
        return gemm

    def copy(self, target: Array, source: Array) -> None:
        runtime = self._cuda.runtime
        kind = runtime.memcpyDeviceToDevice
        runtime.memcpyAsync(
            target.data.ptr, source.data.ptr, source.nbytes, kind, self.device.stream
        )

    def used_bytes(self) -> int | None:
        gpu = find_gpu(self._index, os.environ)
        return None if gpu is None else gpu.total_bytes - gpu.free_bytes


def clocks() -> str:
    """Of the first GPU, as its driver's tool says it; empty where there is no such tool."""
    command = ["nvidia-smi", f"--query-gpu=name,{_CLOCKS}", "--format=csv"]
    try:
        shown = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=_TOOL_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    names, *values = [line.split(", ") for line in shown.stdout.strip().splitlines()]
    return ", ".join(f"{name} {value}" for name, value in zip(names, values[0], strict=True))
