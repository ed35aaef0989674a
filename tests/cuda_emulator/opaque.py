"""OpaqueDevice: the emulator with arrays that can do no more than Forge may ask of CuPy's.

A NumPy array in the place of one on a GPU hides mistakes: there no NumPy function reads it and
nobody assigns to it. Here such a use fails as it would there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from forge_worker.cuda.device import (
    Argument,
    Bytes,
    Dim3,
    Event,
    Graph,
    Kernel,
    KernelSource,
)
from tests.cuda_emulator.device import EmulatedDevice


class _Data(NamedTuple):
    ptr: int


class OpaqueArray:
    """Memory of a device that the host cannot read."""

    def __init__(self, inner: npt.NDArray[Any]) -> None:
        self.inner = inner
        self.shape = inner.shape
        self.strides = inner.strides
        self.dtype = inner.dtype
        self.size = inner.size
        self.nbytes = inner.nbytes
        self.flags = inner.flags
        self.data = _Data(inner.ctypes.data)

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, place: Any) -> OpaqueArray:
        return OpaqueArray(self.inner[place])

    def view(self, dtype: npt.DTypeLike) -> OpaqueArray:
        return OpaqueArray(self.inner.view(dtype))

    def reshape(self, *shape: Any) -> OpaqueArray:
        return OpaqueArray(self.inner.reshape(*shape))

    def __array__(self, *_: object) -> NoReturn:
        raise TypeError("the host cannot read an array of the device")


class _OpaqueKernel:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def __call__(
        self, grid: Dim3, block: Dim3, args: Sequence[Argument], shared_bytes: int = 0
    ) -> None:
        self._kernel(grid, block, [_revealed(argument) for argument in args], shared_bytes)


class OpaqueDevice:
    def __init__(self) -> None:
        self.emulated = EmulatedDevice()
        self.info = self.emulated.info
        self.stream = 0

    def free_bytes(self) -> int:
        return self.emulated.free_bytes()

    def allocate(self, num_bytes: int) -> OpaqueArray:
        return OpaqueArray(self.emulated.allocate(num_bytes))

    def allocate_pinned(self, num_bytes: int) -> Bytes:
        return self.emulated.allocate_pinned(num_bytes)

    def kernels(self, source: KernelSource) -> Mapping[str, Kernel]:
        kernels = self.emulated.kernels(source)
        return {name: _OpaqueKernel(kernel) for name, kernel in kernels.items()}

    def upload(self, target: OpaqueArray, pinned: npt.NDArray[Any]) -> None:
        self.emulated.upload(target.inner, pinned)

    def download(self, pinned: npt.NDArray[Any], source: OpaqueArray) -> None:
        self.emulated.download(pinned, source.inner)

    def fill_zero(self, target: OpaqueArray) -> None:
        self.emulated.fill_zero(target.inner)

    def record(self) -> Event:
        return self.emulated.record()

    def capture(self, work: Callable[[], None]) -> Graph:
        return self.emulated.capture(work)

    def synchronize(self) -> None:
        self.emulated.synchronize()


def _revealed(argument: Argument) -> Argument:
    if isinstance(argument, OpaqueArray):
        return argument.inner
    if isinstance(argument, np.ndarray):
        raise TypeError("a kernel takes arrays of the device, not of the host")
    return argument
