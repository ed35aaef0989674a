"""Open a GPU, or say in one sentence why not: what is missing, too old, absent, too small or taken.

CUDA's own errors name a symptom, often of the wrong thing; so each condition is asked about in the
order in which it can be met. Knows no model.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from forge_common.errors import ConfigError, DeviceError
from forge_common.nvidia_gpus import Holder, find_gpu, find_holders
from forge_worker.cuda.cubin_cache import CubinCache
from forge_worker.cuda.cupy_device import CudaFailures, CupyDevice, describe
from forge_worker.cuda.device import DeviceInfo
from forge_worker.cuda.kernel_compiler import KernelCompiler
from forge_worker.cuda.libraries import majors_for, open_library
from forge_worker.cuda.nvrtc import Nvrtc

MIN_COMPUTE_CAPABILITY = (8, 0)  # bfloat16 in tensor cores, and asynchronous copies

_INSTALL = "pip install forge-server[cuda13]"
_OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation
_UNAVAILABLE = 46  # cudaErrorDevicesUnavailable
_GIB = 2**30
_MAX_NAMED_HOLDERS = 3


def open_device(index: int, cubin_folder: Path) -> CupyDevice:
    """The GPU that CUDA numbers `index`, with its compiler; kernels are kept in `cubin_folder`."""
    cupy = _import_cupy()
    majors = majors_for(_check_driver(cupy.cuda.runtime))
    info = _check_gpu(cupy.cuda, index)
    _check_memory(cupy.cuda, index, info)
    library = open_library("nvrtc", majors)
    nvrtc = Nvrtc(library)
    architecture = nvrtc.architecture(info.compute_capability)
    compiler = KernelCompiler(nvrtc, architecture, CubinCache(cubin_folder))
    return CupyDevice(cupy, index, compiler)


def _import_cupy() -> Any:
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise DeviceError(f"CuPy lacks a module: {error.name}") from error
        raise ConfigError(f"--backend cuda needs CuPy: {_INSTALL}, or [cuda12]") from error
    except ImportError as error:
        reason = str(error).strip().splitlines()[:1]
        raise DeviceError(f"CuPy is installed but cannot be used: {' '.join(reason)}") from error
    return cupy


def _check_driver(runtime: Any) -> int:
    """The newest CUDA the driver supports, as 1000 · major + 10 · minor."""
    supported, needed = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if supported == 0:
        raise DeviceError("there is no NVIDIA driver on this machine, or it is not loaded")
    if supported // 1000 < needed // 1000:
        raise DeviceError(
            f"the NVIDIA driver is too old: it supports CUDA {_version(supported)}, but CuPy was"
            f" built for CUDA {_version(needed)}; update it, or install forge-server[cuda12]"
        )
    return int(supported)


def _check_gpu(cuda: Any, index: int) -> DeviceInfo:
    try:
        count = cuda.runtime.getDeviceCount()
    except CudaFailures(cuda).kinds as error:
        raise DeviceError(f"CUDA finds no GPU to use: {error}") from error
    if index >= count:
        there = "no GPU" if count == 0 else f"{count} of them, from 0"
        raise ConfigError(f"--device {index} is no GPU that CUDA may see: there is {there}")
    info = describe(cuda.runtime.getDeviceProperties(index))
    if info.compute_capability < MIN_COMPUTE_CAPABILITY:
        major, minor = info.compute_capability
        raise DeviceError(
            f"{info.name} has compute capability {major}.{minor}, and the kernels need 8.0 or more"
        )
    return info


def _check_memory(cuda: Any, index: int, info: DeviceInfo) -> None:
    """That there is room for a context at all, which CUDA makes at the first use of the GPU."""
    try:
        cuda.runtime.setDevice(index)
        cuda.runtime.memGetInfo()
    except CudaFailures(cuda).kinds as error:
        status = getattr(error, "status", None)
        if status == _OUT_OF_MEMORY:
            raise DeviceError(f"{info.name} is full: {_use(index, info)}") from error
        if status == _UNAVAILABLE:
            raise DeviceError(f"another process has {info.name} for itself") from error
        raise DeviceError(f"{info.name} cannot be used: {error}") from error


def _use(index: int, info: DeviceInfo) -> str:
    """How full it is, and by whom, as far as the driver tells."""
    total = f"{info.total_bytes / _GIB:.1f} GiB"
    gpu = find_gpu(index, os.environ)
    use = f"{gpu.free_bytes / _GIB:.1f} GiB of {total} are free" if gpu else f"all of {total}"
    held = [_held(holder) for holder in find_holders(index, os.environ)[:_MAX_NAMED_HOLDERS]]
    return f"{use}; {', '.join(held)}" if held else use


def _held(holder: Holder) -> str:
    if holder.num_bytes is None:
        return f"process {holder.process_id} computes on it"
    return f"process {holder.process_id} holds {holder.num_bytes / _GIB:.1f} GiB"


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
