"""EmulatedDevice: the Device protocol over NumPy arrays; what is queued is done at once."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from forge_common.errors import DeviceError
from forge_worker.cuda.device import Bytes, DeviceInfo, Event, Graph, Kernel, KernelSource
from tests.cuda_emulator.compiler import KERNELS_FOLDER, compile_kernels
from tests.cuda_emulator.guarded import guarded_bytes
from tests.cuda_emulator.library import EmulatedKernel, LaunchSettings, load

ALIGNMENT = 256  # of allocations, as CUDA's
UNDEFINED = 0xFF  # fresh memory: NaN as any float, -1 as any integer

Work = Callable[[], None]


class DoneEvent:
    def is_done(self) -> bool:
        return True

    def wait(self) -> None:
        pass


class EmulatedGraph:
    def __init__(self, recorded: list[Work]) -> None:
        self._recorded = recorded

    def launch(self) -> None:
        for work in self._recorded:
            work()


class EmulatedDevice:
    """`order` picks the schedule, see cpp/schedule.h; `folder` is where kernel files are.

    `fresh_byte` fills what is allocated; no result may depend on it.
    """

    stream = 0

    def __init__(
        self,
        order: int = 0,
        *,
        folder: Path = KERNELS_FOLDER,
        total_bytes: int = 1 << 28,
        num_multiprocessors: int = 4,
        fresh_byte: int = UNDEFINED,
        max_launch_s: int = 60,
    ) -> None:
        self.info = DeviceInfo("emulator", (9, 0), num_multiprocessors, total_bytes, 232448)
        self._how = LaunchSettings(order, max_launch_s)
        self._folder = folder
        self._fresh_byte = fresh_byte
        self._held_bytes = 0
        self._recording: list[Work] | None = None
        self._kernels: dict[KernelSource, dict[str, Kernel]] = {}

    def free_bytes(self) -> int:
        return self.info.total_bytes - self._held_bytes

    def allocate(self, num_bytes: int) -> Bytes:
        if num_bytes > self.free_bytes():
            raise DeviceError(
                f"The device has {self.free_bytes()} bytes left, not the {num_bytes} asked for"
            )
        array = guarded_bytes(num_bytes, alignment=ALIGNMENT)
        array.fill(self._fresh_byte)
        self._held_bytes += num_bytes
        weakref.finalize(array.base, self._give_back, num_bytes)
        return array

    def allocate_pinned(self, num_bytes: int) -> Bytes:
        return np.zeros(num_bytes, np.uint8)

    def kernels(self, source: KernelSource) -> Mapping[str, Kernel]:
        if source not in self._kernels:
            compiled = compile_kernels(source, self._folder)
            library = load(compiled)
            self._kernels[source] = {
                name: EmulatedKernel(library, name, self._how, self.queue)
                for name in compiled.kernels
            }
        return self._kernels[source]

    def upload(self, target: npt.NDArray[Any], pinned: npt.NDArray[Any]) -> None:
        self._copy(target, pinned)

    def download(self, pinned: npt.NDArray[Any], source: npt.NDArray[Any]) -> None:
        self._copy(pinned, source)

    def fill_zero(self, target: npt.NDArray[Any]) -> None:
        self._refuse_while_capturing("fill_zero")
        _bytes_of(target)[:] = 0

    def record(self) -> Event:
        return DoneEvent()

    def capture(self, work: Work) -> Graph:
        recorded: list[Work] = []
        self._recording = recorded
        try:
            work()
        finally:
            self._recording = None
        return EmulatedGraph(recorded)

    def synchronize(self) -> None:
        self._refuse_while_capturing("synchronize")

    def queue(self, work: Work) -> None:
        """Do `work` now, or record it; for kernels and whatever stands in for a library's."""
        if self._recording is None:
            work()
        else:
            self._recording.append(work)

    def _copy(self, target: npt.NDArray[Any], source: npt.NDArray[Any]) -> None:
        self._refuse_while_capturing("a copy")
        if target.nbytes != source.nbytes:
            raise ValueError(f"a copy of {source.nbytes} bytes to {target.nbytes}")
        _bytes_of(target)[:] = _bytes_of(source)

    def _refuse_while_capturing(self, what: str) -> None:
        if self._recording is not None:
            raise DeviceError(f"{what} cannot be part of a graph")

    def _give_back(self, num_bytes: int) -> None:
        self._held_bytes -= num_bytes


def _bytes_of(array: npt.NDArray[Any]) -> Bytes:
    if not array.flags.c_contiguous:
        raise ValueError("an array that is copied has gaps between its elements")
    return array.reshape(-1).view(np.uint8)
