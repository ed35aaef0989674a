"""Arrays of an arena are aligned, apart from each other, and never more than there is."""

from __future__ import annotations

import numpy as np
import pytest

from forge_common.errors import DeviceError
from forge_worker.cuda.arena import Arena
from tests.cuda_emulator import EmulatedDevice


def test_arrays_are_aligned_and_apart() -> None:
    arena = Arena(EmulatedDevice(), 4096)
    first, second = arena.take((3,), np.uint8), arena.take((5, 7), np.float32)
    assert (first.shape, second.shape, second.dtype) == ((3,), (5, 7), np.float32)
    assert first.ctypes.data % 256 == second.ctypes.data % 256 == 0
    assert second.ctypes.data - first.ctypes.data == 256
    assert arena.used_bytes == 512


def test_more_than_the_plan_is_refused_with_the_numbers() -> None:
    arena = Arena(EmulatedDevice(), 512)
    arena.take((256,), np.uint8)
    with pytest.raises(DeviceError, match="512 bytes, but 768 are needed"):
        arena.take((257,), np.uint8)
    assert arena.used_bytes == 256


def test_rest_is_what_nobody_took() -> None:
    arena = Arena(EmulatedDevice(), 1024)
    taken = arena.take((100,), np.uint8)
    assert arena.rest().nbytes == 1024 - 256
    assert not np.shares_memory(arena.rest(), taken)


def test_device_without_so_much_memory_says_so() -> None:
    with pytest.raises(DeviceError):
        Arena(EmulatedDevice(total_bytes=1000), 2000)
