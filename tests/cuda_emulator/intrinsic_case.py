"""IntrinsicCase: one kernel of kernels/probes.cu, what it is given, and what it must give.

Inputs and results are 32 bits an element, and a thread has a column.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from forge_worker.cuda.device import Device, KernelSource

PROBES = KernelSource(str(Path(__file__).with_name("kernels") / "probes.cu"))

WARP = 32
BLOCK = 128
LANES = np.arange(WARP)

Words = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float32]


class IntrinsicCase(NamedTuple):
    kernel: str
    threads: int
    given: Words
    expected: npt.NDArray[Any]  # uint32 for equal bits, float32 for equal numbers
    max_ulps: int = 0  # how far numbers may be off, in units of the last place

    def measured(self, device: Device) -> npt.NDArray[Any]:
        """What the kernel gives on `device`, as `expected` is."""
        given = device.allocate(self.given.nbytes)
        result = device.allocate(self.expected.nbytes)
        pinned = device.allocate_pinned(self.given.nbytes)
        pinned[:] = self.given.reshape(-1).view(np.uint8)
        device.upload(given, pinned)
        kernel = device.kernels(PROBES)[self.kernel]
        kernel((1, 1, 1), (self.threads, 1, 1), [given, result])
        read = device.allocate_pinned(self.expected.nbytes)
        device.download(read, result)
        device.synchronize()
        return read.view(self.expected.dtype).reshape(self.expected.shape)

    def check(self, device: Device) -> None:
        measured = self.measured(device)
        if self.max_ulps:
            np.testing.assert_array_max_ulp(measured, self.expected, self.max_ulps)
        else:
            np.testing.assert_array_equal(measured, self.expected)


def words(random: np.random.Generator, *shape: int) -> Words:
    return random.integers(0, 2**32, shape, np.uint32)


def bits(values: npt.ArrayLike) -> Words:
    return np.ascontiguousarray(values, np.float32).view(np.uint32)
