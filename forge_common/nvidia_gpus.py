"""What NVIDIA GPUs there are and how full they are, asked of the driver's management library.

NVML answers in a millisecond and starts nothing on the GPU, so the launcher may ask it too. An
index counts the GPUs that CUDA may see, in the order of the bus: `CUDA_VISIBLE_DEVICES` is heeded,
and a worker is started with `CUDA_DEVICE_ORDER=PCI_BUS_ID`. No driver means no GPUs, not an error.
Knows nothing of CuPy, models or plans.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

LIBRARY = "libnvidia-ml.so.1"
VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"
NAME_BYTES = 96
MAX_HOLDERS = 256
UNKNOWN_BYTES = 2**64 - 1  # where the driver may not say, as in a container


class Gpu(NamedTuple):
    name: str
    total_bytes: int
    free_bytes: int


class Holder(NamedTuple):
    """A process that computes on a GPU."""

    process_id: int
    num_bytes: int | None  # of its memory; None where the driver does not say


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_uint64), ("free", ctypes.c_uint64), ("used", ctypes.c_uint64))


class _Process(ctypes.Structure):
    _fields_ = (
        ("pid", ctypes.c_uint),
        ("used", ctypes.c_ulonglong),
        ("gpu_instance", ctypes.c_uint),
        ("compute_instance", ctypes.c_uint),
    )


class NvmlError(Exception):
    """A call of the management library failed."""


def find_gpu(index: int, environment: Mapping[str, str], library: str = LIBRARY) -> Gpu | None:
    """The GPU that CUDA will number `index`; None where there is no such one, or no driver."""
    try:
        with _nvml(library) as nvml:
            visible = _visible(environment, nvml)
            return _describe(nvml, visible[index]) if index < len(visible) else None
    except (OSError, NvmlError):
        return None


def find_holders(
    index: int, environment: Mapping[str, str], library: str = LIBRARY
) -> list[Holder]:
    """Who computes on a GPU, the largest first; nobody where the driver does not say."""
    try:
        with _nvml(library) as nvml:
            holders = _holders(nvml, _handle(nvml, _visible(environment, nvml)[index]))
    except (OSError, NvmlError, IndexError, AttributeError):  # an old library lacks the function
        return []
    return sorted(holders, key=lambda holder: -(holder.num_bytes or 0))


@contextmanager
def _nvml(library: str) -> Iterator[Any]:
    nvml = ctypes.CDLL(library)
    _check(nvml.nvmlInit_v2())
    try:
        yield nvml
    finally:
        nvml.nvmlShutdown()


def _visible(environment: Mapping[str, str], nvml: Any) -> list[str]:
    """Indices on the bus or UUIDs; as CUDA does, nothing that follows a name it cannot read."""
    stated = environment.get(VISIBLE_DEVICES)
    if stated is None:
        count = ctypes.c_uint()
        _check(nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)))
        return [str(index) for index in range(count.value)]
    names: list[str] = []
    for name in (part.strip() for part in stated.split(",")):
        if not (name.isdecimal() or name.startswith("GPU-")):
            break
        names.append(name)
    return names


def _handle(nvml: Any, name: str) -> ctypes.c_void_p:
    handle = ctypes.c_void_p()
    if name.isdecimal():
        _check(nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(int(name)), ctypes.byref(handle)))
    else:
        _check(nvml.nvmlDeviceGetHandleByUUID(name.encode(), ctypes.byref(handle)))
    return handle


def _holders(nvml: Any, handle: ctypes.c_void_p) -> list[Holder]:
    count = ctypes.c_uint(MAX_HOLDERS)
    processes = (_Process * MAX_HOLDERS)()
    _check(nvml.nvmlDeviceGetComputeRunningProcesses_v3(handle, ctypes.byref(count), processes))
    return [
        Holder(process.pid, None if process.used == UNKNOWN_BYTES else process.used)
        for process in processes[: count.value]
    ]


def _describe(nvml: Any, name: str) -> Gpu:
    handle = _handle(nvml, name)
    text = ctypes.create_string_buffer(NAME_BYTES)
    _check(nvml.nvmlDeviceGetName(handle, text, ctypes.c_uint(NAME_BYTES)))
    memory = _Memory()
    _check(nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)))
    return Gpu(text.value.decode(errors="replace"), int(memory.total), int(memory.free))


def _check(status: int) -> None:
    if status:
        raise NvmlError(f"NVML answered {status}")
