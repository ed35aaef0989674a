"""What Forge uses of CuPy, on the host: device memory is the process's own, launches are recorded.

Copies and fills are done at once, unless the stream captures.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

OUT_OF_MEMORY = 2
INSUFFICIENT_DRIVER = 35
NOT_READY = 600
ILLEGAL_ADDRESS = 700


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int) -> None:
        super().__init__(f"cudaError{status}: it failed")
        self.status = status


class CUDADriverError(CUDARuntimeError):
    pass


class Launch(NamedTuple):
    function: int
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_bytes: int
    stream: int
    arguments: tuple[int | float, ...]


class Pointer:
    def __init__(self, memory: Any, offset: int) -> None:
        self.memory = memory
        self.ptr = memory.ptr + offset


class DeviceArray(np.ndarray):
    """Host memory with the face of cupy.ndarray."""

    @property
    def data(self) -> Any:
        class At:
            ptr = self.ctypes.data

        return At


class Runtime:
    CUDARuntimeError = CUDARuntimeError
    memcpyHostToDevice = 1
    memcpyDeviceToHost = 2
    streamCaptureModeRelaxed = 2

    def __init__(self) -> None:
        self.driver_version = 13000
        self.runtime_version = 13000
        self.num_devices = 1
        self.count_status = 0
        self.context_status = 0
        self.event_status = 0
        self.free_bytes = 1 << 20
        self.device: int | None = None
        self.properties: dict[str, Any] = {
            "name": b"NVIDIA Test",
            "major": 9,
            "minor": 0,
            "multiProcessorCount": 132,
            "totalGlobalMem": 1 << 21,
            "sharedMemPerBlockOptin": 232448,
        }
        self.queue: Callable[[Callable[[], None]], None] = lambda work: work()

    def driverGetVersion(self) -> int:
        return self.driver_version

    def runtimeGetVersion(self) -> int:
        return self.runtime_version

    def getDeviceCount(self) -> int:
        self.check_status(self.count_status)
        return self.num_devices

    def getDeviceProperties(self, index: int) -> dict[str, Any]:
        return self.properties

    def setDevice(self, index: int) -> None:
        self.device = index

    def memGetInfo(self) -> tuple[int, int]:
        self.check_status(self.context_status)
        return self.free_bytes, self.properties["totalGlobalMem"]

    def check_status(self, status: int) -> None:
        if status:
            raise CUDARuntimeError(status)

    def eventQuery(self, event: int) -> int:
        return self.event_status

    def memcpyAsync(self, target: int, source: int, size: int, kind: int, stream: int) -> None:
        self.queue(lambda: ctypes.memmove(target, source, size) and None)

    def memsetAsync(self, target: int, value: int, size: int, stream: int) -> None:
        self.queue(lambda: ctypes.memset(target, value, size) and None)


class Driver:
    CUDADriverError = CUDADriverError
    CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.status = 0
        self.launches: list[Launch] = []
        self.attributes: dict[tuple[int, int], int] = {}
        self.types: tuple[Any, ...] = ()  # ctypes of the parameters of the next launches

    def launchKernel(self, function: int, *args: int) -> None:
        *sizes, shared_bytes, stream, params, extra = args
        assert extra == 0
        if self.status:
            raise CUDADriverError(self.status)
        grid, block = (sizes[0], sizes[1], sizes[2]), (sizes[3], sizes[4], sizes[5])
        places = (ctypes.c_void_p * len(self.types)).from_address(params)
        values = tuple(
            kind.from_address(place).value for kind, place in zip(self.types, places, strict=True)
        )
        launch = Launch(function, grid, block, shared_bytes, stream, values)
        self._runtime.queue(lambda: self.launches.append(launch))

    def funcSetAttribute(self, function: int, attribute: int, value: int) -> None:
        self.attributes[function, attribute] = value


class Stream:
    runtime: Runtime

    def __init__(self, non_blocking: bool) -> None:
        assert non_blocking
        self.ptr = 0x57
        self.recorded: list[Callable[[], None]] = []

    def begin_capture(self, mode: int) -> None:
        assert mode == Runtime.streamCaptureModeRelaxed
        self.recorded = []
        self.runtime.queue = self.recorded.append

    def end_capture(self) -> Graph:
        self.runtime.queue = lambda work: work()
        return Graph(self.recorded)


class Graph:
    def __init__(self, recorded: list[Callable[[], None]]) -> None:
        self._recorded = recorded
        self.is_uploaded = False

    def upload(self, stream: Stream) -> None:
        self.is_uploaded = True

    def launch(self, stream: Stream) -> None:
        assert self.is_uploaded
        for work in self._recorded:
            work()


class Event:
    runtime: Runtime
    ptr = 0x43

    def __init__(self, block: bool, disable_timing: bool) -> None:
        assert block
        assert disable_timing

    def record(self, stream: Stream) -> None:
        pass

    def synchronize(self) -> None:
        self.runtime.check_status(self.runtime.event_status)


class Function(NamedTuple):
    ptr: int


class Module:
    loaded: list[bytes]

    def load(self, cubin: bytes) -> None:
        self.loaded.append(cubin)

    def get_function(self, name: str) -> Function:
        return Function(sum(name.encode()))


class FakeCupy:
    """In place of the module."""

    def __init__(self) -> None:
        runtime = Runtime()
        self.cuda = Cuda(runtime)

    def ndarray(self, shape: tuple[int, ...], dtype: type, pointer: Pointer) -> DeviceArray:
        array = pointer.memory.buffer.view(dtype).reshape(shape).view(DeviceArray)
        assert array.ctypes.data == pointer.ptr
        return array


class Cuda:
    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.driver = Driver(runtime)
        self.Stream = type("Stream", (Stream,), {"runtime": runtime})
        self.Event = type("Event", (Event,), {"runtime": runtime})
        self.Module = type("Module", (Module,), {"loaded": []})
        self.function = type("function", (), {"Module": self.Module})
        self.MemoryPointer = Pointer

    def Memory(self, num_bytes: int) -> Any:
        if num_bytes > self.runtime.free_bytes:
            raise CUDARuntimeError(OUT_OF_MEMORY)
        return _Memory(num_bytes)

    def PinnedMemory(self, num_bytes: int) -> Any:
        return _Memory(num_bytes)

    def PinnedMemoryPointer(self, memory: Any, offset: int) -> Any:
        return memory.buffer


class _Memory:
    def __init__(self, num_bytes: int) -> None:
        self.buffer = np.full(num_bytes, 0xAB, np.uint8)
        self.ptr = self.buffer.ctypes.data
