"""Device: all that the CUDA worker asks of a GPU, so that its code also runs where there is none.

`CupyDevice` is the real one. The tests have another, which compiles the same kernels with a C++
compiler and keeps its arrays in NumPy. Everything is queued on one stream, in program order:
a launch, an upload and a download return before they are done. Knows no model and no kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from forge_worker.ops.protocol import Array

Bytes: TypeAlias = npt.NDArray[np.uint8]
Dim3: TypeAlias = tuple[int, int, int]
Argument: TypeAlias = Any  # a device array (its address is passed), or a NumPy scalar (its value)


class KernelSource(NamedTuple):
    """One file of `kernels/`, and the constants it is compiled for."""

    file: str  # "norm.cu"
    constants: tuple[tuple[str, int | str], ...] = ()  # ("HEAD_DIM", 128), ("ELEMENT", "Bf16")


class Kernel(Protocol):
    def __call__(
        self, grid: Dim3, block: Dim3, args: Sequence[Argument], shared_bytes: int = 0
    ) -> None:
        """Queue one launch. `shared_bytes` is dynamic shared memory, beyond 48 KiB too."""


class Event(Protocol):
    """A place in the stream."""

    def is_done(self) -> bool: ...

    def wait(self) -> None:
        """Until everything queued before it is done; DeviceError where that failed."""


class Graph(Protocol):
    """Launches recorded once, to be queued again as one."""

    def launch(self) -> None: ...


class DeviceInfo(NamedTuple):
    name: str
    compute_capability: tuple[int, int]  # (9, 0)
    num_multiprocessors: int
    total_bytes: int
    max_shared_bytes: int  # dynamic shared memory a block may ask for


class Device(Protocol):
    @property
    def info(self) -> DeviceInfo: ...

    def free_bytes(self) -> int:
        """Device memory that nobody holds at this moment."""

    def allocate(self, num_bytes: int) -> Array:
        """uint8 [num_bytes] of device memory, at an address divisible by 256, its bytes undefined.

        DeviceError, in one sentence with the numbers, where there is not so much.
        """

    def allocate_pinned(self, num_bytes: int) -> Bytes:
        """Host memory, zeroed, which uploads and downloads need."""

    def kernels(self, source: KernelSource) -> Mapping[str, Kernel]:
        """Every `extern "C" __global__` function of a file, by name; compiled or from the cache."""

    def upload(self, target: Array, pinned: npt.NDArray[Any]) -> None:
        """Queue a copy of `pinned` to `target`, of the same number of bytes; both contiguous."""

    def download(self, pinned: npt.NDArray[Any], source: Array) -> None:
        """Queue a copy of `source` to `pinned`, of the same number of bytes; both contiguous."""

    def fill_zero(self, target: Array) -> None:
        """Queue zeroing every byte of `target`, which is contiguous."""

    def record(self) -> Event: ...

    def capture(self, work: Callable[[], None]) -> Graph:
        """Record what `work` queues instead of running it; it may only launch kernels and GEMMs."""

    def synchronize(self) -> None:
        """Wait for all that is queued; DeviceError where something failed."""

    @property
    def stream(self) -> int:
        """The address of the stream, for libraries that queue work on it themselves."""
