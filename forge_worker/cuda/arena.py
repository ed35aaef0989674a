"""Arena: one allocation of device memory, cut once into everything the worker holds.

    weights │ KV blocks │ activations │ tables │ workspaces │ rest

Nothing is ever given back, so nothing is allocated inside a step and no address ever changes. Knows
bytes, not what they are for.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from forge_common.device_workspace import aligned
from forge_common.errors import DeviceError
from forge_worker.cuda.device import Device
from forge_worker.ops.protocol import Array


class Arena:
    def __init__(self, device: Device, num_bytes: int) -> None:
        """DeviceError where the device has not so much."""
        self._memory = device.allocate(num_bytes)
        self.num_bytes = num_bytes
        self.used_bytes = 0

    def take(self, shape: tuple[int, ...], dtype: type | np.dtype[Any]) -> Array:
        """An array whose contents are undefined. DeviceError where the plan was too small."""
        num_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        start, end = self.used_bytes, self.used_bytes + aligned(num_bytes)
        if end > self.num_bytes:
            raise DeviceError(
                f"the plan gives the device's arena {self.num_bytes} bytes, but {end} are needed"
            )
        self.used_bytes = end
        return self._memory[start : start + num_bytes].view(dtype).reshape(shape)

    def rest(self) -> Array:
        """uint8: all that was not taken yet, for whoever needs memory only now."""
        return self._memory[self.used_bytes :]
