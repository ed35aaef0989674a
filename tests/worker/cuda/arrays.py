"""Arrays of a test on its device, and back: the same test runs emulated and on a GPU.

Emulated arrays end where an unreadable page begins, so that a kernel that goes one element too far
is caught; on a GPU compute-sanitizer sees to that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from forge_worker.cuda.device import Device
from forge_worker.ops.protocol import Array
from tests.cuda_emulator import EmulatedDevice, guarded

_POISON = 0xFF  # NaN in every float format, -1 in every integer


def on_device(device: Device, array: npt.NDArray[Any]) -> Array:
    """A copy of `array` on the device."""
    if isinstance(device, EmulatedDevice):
        return guarded(array)
    pinned = device.allocate_pinned(max(1, array.nbytes))
    pinned[: array.nbytes] = np.frombuffer(array.tobytes(), np.uint8)
    target = device.allocate(len(pinned))
    device.upload(target, pinned)
    device.synchronize()
    return target[: array.nbytes].view(array.dtype).reshape(array.shape)


def empty_on(device: Device, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Memory whose every byte is poison: what a kernel leaves unwritten shows."""
    poison = np.empty(shape, dtype)
    poison.reshape(-1).view(np.uint8)[...] = _POISON
    return on_device(device, poison)


def to_host(device: Device, array: Array) -> npt.NDArray[Any]:
    """A copy of a contiguous `array` once everything queued before is done."""
    pinned = device.allocate_pinned(max(1, array.nbytes))
    if array.nbytes:
        device.download(pinned[: array.nbytes], array)
    device.synchronize()
    return pinned[: array.nbytes].copy().view(array.dtype).reshape(array.shape)
