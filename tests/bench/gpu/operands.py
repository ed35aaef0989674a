"""Arrays that kernels are measured on: noise that no cache holds, and integers. Knows no kernel."""

from __future__ import annotations

import math
from typing import NamedTuple

from forge_worker.cuda.device import Device
from forge_worker.cuda.precision import Precision
from forge_worker.ops.protocol import Array
from tests.bench.gpu.bench_device import NOISE_BYTES, Noise
from tests.bench.gpu.timing import Work


class Case(NamedTuple):
    """Work on the device, and the least it must read, write and calculate."""

    name: str
    work: Work
    num_bytes: int
    num_flops: int = 0


def counted(num_rows: int) -> str:
    return "1 row" if num_rows == 1 else f"{num_rows} rows"


class Room(NamedTuple):
    cold_bytes: int = 512 * 2**20  # more than an L2 cache holds, several times
    noise_bytes: int = NOISE_BYTES


class Store:
    """Where pools come from."""

    def __init__(self, device: Device, room: Room) -> None:
        self.device = device
        self.room = room
        self._noises: dict[Precision, Noise] = {}

    def pool(self, precision: Precision, num_elements: int) -> Pool:
        """`num_elements` of its largest array; there will be as many as `room` asks for."""
        return Pool(self._noise(precision, max(num_elements, self._num_cold(precision))))

    def array(self, precision: Precision, shape: tuple[int, ...]) -> Array:
        """One alone."""
        return self._noise(precision, math.prod(shape)).reshape(shape)

    def _num_cold(self, precision: Precision) -> int:
        return self.room.cold_bytes // precision.element_bytes

    def _noise(self, precision: Precision, num_elements: int) -> Array:
        if precision not in self._noises:
            self._noises[precision] = Noise(self.device, precision, self.room.noise_bytes)
        flat = self.device.allocate(num_elements * precision.element_bytes).view(precision.dtype)
        self._noises[precision].fill(flat)
        return flat


class Pool(NamedTuple):
    """Memory full of noise, from which equal arrays are cut: each call gets the next one."""

    flat: Array

    def array(self, shape: tuple[int, ...], number: int = 0) -> Array:
        """The `number`-th of this shape, or one before it where there are not so many."""
        size = math.prod(shape)
        start = number % (len(self.flat) // size) * size
        return self.flat[start : start + size].reshape(shape)
