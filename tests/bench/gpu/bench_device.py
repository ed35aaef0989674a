"""BenchDevice: a device that also notes when steps begin, and loads noise in place of holes.

Everything goes through to the device it stands before. When a step begins is known by its first
upload: every step has one before its first kernel. Weights are the only uploads of two dimensions
in 16 bits. Knows no model and no kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from forge_worker.cuda.device import Bytes, Device, DeviceInfo, Event, Graph, Kernel, KernelSource
from forge_worker.cuda.precision import Precision
from forge_worker.ops.protocol import Array

WEIGHT_DEVIATION = 0.02  # as models are initialised
NOISE_BYTES = 32 * 2**20


class Noise:
    """Random weights, the same ones over and over from a buffer of odd length."""

    def __init__(self, device: Device, precision: Precision, num_bytes: int = NOISE_BYTES) -> None:
        self.dtype = precision.dtype
        self._device = device
        num_elements = num_bytes // self.dtype.itemsize - 1  # so that no two rows are alike
        values = np.random.default_rng(0).standard_normal(num_elements, np.float32)
        self._buffer = device.allocate_pinned(num_elements * self.dtype.itemsize).view(self.dtype)
        self._buffer[...] = precision.rounded(values * np.float32(WEIGHT_DEVIATION))

    def fill(self, target: Array) -> None:
        """Queue it into all of `target`, which is contiguous and of the precision."""
        flat = target.reshape(-1)
        for start in range(0, len(flat), len(self._buffer)):
            part = flat[start : start + len(self._buffer)]
            self._device.upload(part, self._buffer[: len(part)])


class BenchDevice:
    def __init__(self, device: Device, on_step: Callable[[], None] = lambda: None) -> None:
        """`on_step` is called as the first upload after `expect_step` is about to be queued."""
        self._device = device
        self._on_step = on_step
        self._is_step_expected = False
        self.noise: Noise | None = None  # as long as weights are loaded

    def expect_step(self) -> None:
        self._is_step_expected = True

    @property
    def info(self) -> DeviceInfo:
        return self._device.info

    @property
    def stream(self) -> int:
        return self._device.stream

    def free_bytes(self) -> int:
        return self._device.free_bytes()

    def allocate(self, num_bytes: int) -> Array:
        return self._device.allocate(num_bytes)

    def allocate_pinned(self, num_bytes: int) -> Bytes:
        return self._device.allocate_pinned(num_bytes)

    def kernels(self, source: KernelSource) -> Mapping[str, Kernel]:
        return self._device.kernels(source)

    def upload(self, target: Array, pinned: npt.NDArray[Any]) -> None:
        if self._is_step_expected:
            self._is_step_expected = False
            self._on_step()
        if self.noise is not None and len(target.shape) == 2 and target.dtype == self.noise.dtype:
            self.noise.fill(target)
        else:
            self._device.upload(target, pinned)

    def download(self, pinned: npt.NDArray[Any], source: Array) -> None:
        self._device.download(pinned, source)

    def fill_zero(self, target: Array) -> None:
        self._device.fill_zero(target)

    def record(self) -> Event:
        return self._device.record()

    def capture(self, work: Callable[[], None]) -> Graph:
        return self._device.capture(work)

    def synchronize(self) -> None:
        self._device.synchronize()
