"""CupyDevice: a GPU through CuPy, which is used for memory, streams, events and graphs, no more.

Every address comes from `allocate`, so CuPy's memory pool is never in a step's way; nothing runs on
a stream but the one made here, which the default stream does not wait for. Waiting for an event
sleeps in the driver rather than spins. Knows no kernel and no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from forge_common.errors import DeviceError
from forge_worker.cuda.cupy_kernel import CupyKernel, LaunchTarget
from forge_worker.cuda.device import Bytes, DeviceInfo, Kernel, KernelSource
from forge_worker.cuda.kernel_compiler import KernelCompiler
from forge_worker.cuda.libraries import majors_for
from forge_worker.ops.protocol import Array

_OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation
_NOT_READY = 600  # cudaErrorNotReady
_GIB = 2**30


class CudaFailures:
    """`with failures:` an error of CUDA leaves the block as a DeviceError."""

    def __init__(self, cuda: Any) -> None:
        self.kinds = (cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, self.kinds):
            raise DeviceError(f"the GPU failed: {error}") from error


class CupyEvent:
    def __init__(self, cuda: Any, failures: CudaFailures, device_index: int) -> None:
        self._runtime = cuda.runtime
        self._failures = failures
        self._device_index = device_index
        self.event = cuda.Event(block=True, disable_timing=True)

    def is_done(self) -> bool:
        with self._failures:
            status = self._runtime.eventQuery(self.event.ptr)
            if status not in (0, _NOT_READY):
                self._runtime.check_status(status)
        return bool(status == 0)

    def wait(self) -> None:
        with self._failures:
            # A thread of ours starts at device 0, where CUDA would now make a context in vain.
            self._runtime.setDevice(self._device_index)
            self.event.synchronize()


class CupyGraph:
    def __init__(self, graph: Any, stream: Any, failures: CudaFailures) -> None:
        self._graph = graph
        self._stream = stream
        self._failures = failures

    def launch(self) -> None:
        with self._failures:
            self._graph.launch(self._stream)


class _LoadedFile(NamedTuple):
    module: Any  # cupy's: the kernels are gone when it is
    kernels: dict[str, Kernel]


class CupyDevice:
    def __init__(self, cupy: Any, index: int, compiler: KernelCompiler) -> None:
        """`cupy` is the module; `index` a GPU that was found fit."""
        self._cupy = cupy
        self._cuda = cupy.cuda
        self._runtime = cupy.cuda.runtime
        self._index = index
        self._compiler = compiler
        self._failures = CudaFailures(cupy.cuda)
        self._files: dict[KernelSource, _LoadedFile] = {}
        with self._failures:
            self._runtime.setDevice(index)
            self._stream = cupy.cuda.Stream(non_blocking=True)
            self.info = describe(self._runtime.getDeviceProperties(index))

    @property
    def stream(self) -> int:
        return int(self._stream.ptr)

    @property
    def library_majors(self) -> list[int]:
        """Versions of CUDA whose libraries the driver can serve, the preferred one first."""
        with self._failures:
            return majors_for(self._runtime.driverGetVersion())

    def free_bytes(self) -> int:
        with self._failures:
            free_bytes, _ = self._runtime.memGetInfo()
        return int(free_bytes)

    def allocate(self, num_bytes: int) -> Array:
        try:
            memory = self._cuda.Memory(num_bytes)
        except self._failures.kinds as error:
            raise self._allocation_failure(num_bytes, error) from error
        pointer = self._cuda.MemoryPointer(memory, 0)
        return self._cupy.ndarray((num_bytes,), np.uint8, pointer)

    def allocate_pinned(self, num_bytes: int) -> Bytes:
        with self._failures:
            memory = self._cuda.PinnedMemory(max(1, num_bytes))
        pointer = self._cuda.PinnedMemoryPointer(memory, 0)
        array: Bytes = np.frombuffer(pointer, np.uint8, num_bytes)
        array.fill(0)
        return array

    def kernels(self, source: KernelSource) -> Mapping[str, Kernel]:
        if source not in self._files:
            self._files[source] = self._load(source)
        return self._files[source].kernels

    def compile_ahead(self, sources: Iterable[KernelSource], num_threads: int) -> None:
        """Compile all of `sources` side by side; loading one later takes no time then."""
        self._compiler.compile_ahead(sources, num_threads)

    def upload(self, target: Array, pinned: npt.NDArray[Any]) -> None:
        _require_alike(target, pinned)
        kind = self._runtime.memcpyHostToDevice
        self._copy(target.data.ptr, pinned.ctypes.data, pinned.nbytes, kind)

    def download(self, pinned: npt.NDArray[Any], source: Array) -> None:
        _require_alike(source, pinned)
        kind = self._runtime.memcpyDeviceToHost
        self._copy(pinned.ctypes.data, source.data.ptr, pinned.nbytes, kind)

    def fill_zero(self, target: Array) -> None:
        if not target.flags.c_contiguous:
            raise ValueError("an array that is zeroed has gaps between its elements")
        with self._failures:
            self._runtime.memsetAsync(target.data.ptr, 0, target.nbytes, self.stream)

    def record(self) -> CupyEvent:
        with self._failures:
            event = CupyEvent(self._cuda, self._failures, self._index)
            event.event.record(self._stream)
        return event

    def capture(self, work: Callable[[], None]) -> CupyGraph:
        """Relaxed: another thread may wait for events meanwhile, and the driver load code."""
        with self._failures:
            self._stream.begin_capture(self._runtime.streamCaptureModeRelaxed)
            try:
                work()
            except BaseException:
                with suppress(*self._failures.kinds):
                    self._stream.end_capture()  # or the stream would stay in its capture
                raise
            graph = self._stream.end_capture()
            graph.upload(self._stream)  # else the first launch would
        return CupyGraph(graph, self._stream, self._failures)

    def synchronize(self) -> None:
        """By an event, which sleeps; the stream itself would have the CPU spin."""
        self.record().wait()

    def _load(self, source: KernelSource) -> _LoadedFile:
        compilation = self._compiler.compile(source)
        driver = self._cuda.driver
        kernels: dict[str, Kernel] = {}
        with self._failures:
            module = self._cuda.function.Module()
            module.load(compilation.cubin)
            for usage in compilation.kernels:
                function = module.get_function(usage.name).ptr
                # Once and for all, so that no launch has to; how much is used is each launch's.
                driver.funcSetAttribute(
                    function,
                    driver.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                    self.info.max_shared_bytes - usage.static_shared_bytes,
                )
                target = LaunchTarget(driver, self.stream, function)
                kernels[usage.name] = CupyKernel(target, self._failures)
        return _LoadedFile(module, kernels)

    def _copy(self, target: int, source: int, num_bytes: int, kind: int) -> None:
        with self._failures:
            self._runtime.memcpyAsync(target, source, num_bytes, kind, self.stream)

    def _allocation_failure(self, num_bytes: int, error: Any) -> DeviceError:
        if getattr(error, "status", None) != _OUT_OF_MEMORY:
            return DeviceError(f"the GPU failed: {error}")
        return DeviceError(
            f"{self.info.name} has {self.free_bytes() / _GIB:.2f} GiB free of"
            f" {self.info.total_bytes / _GIB:.2f} GiB, not the {num_bytes / _GIB:.2f} GiB asked for"
        )


def describe(properties: Mapping[str, Any]) -> DeviceInfo:
    """From what CUDA says of a device."""
    return DeviceInfo(
        name=properties["name"].decode(errors="replace"),
        compute_capability=(properties["major"], properties["minor"]),
        num_multiprocessors=properties["multiProcessorCount"],
        total_bytes=properties["totalGlobalMem"],
        max_shared_bytes=properties["sharedMemPerBlockOptin"],
    )


def _require_alike(array: Array, pinned: npt.NDArray[Any]) -> None:
    if array.nbytes != pinned.nbytes:
        raise ValueError(f"a copy between arrays of {array.nbytes} and {pinned.nbytes} bytes")
    if not (array.flags.c_contiguous and pinned.flags.c_contiguous):
        raise ValueError("an array that is copied has gaps between its elements")
