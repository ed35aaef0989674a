"""Weights become noise, all else goes through, and steps begin at their first upload."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cuda.precision import Precision
from tests.bench.gpu.bench_device import WEIGHT_DEVIATION, BenchDevice, Noise
from tests.cuda_emulator import EmulatedDevice


@pytest.fixture
def device() -> BenchDevice:
    return BenchDevice(EmulatedDevice())


def test_weights_become_noise_that_does_not_repeat_in_rows(device: BenchDevice) -> None:
    device.noise = Noise(device, Precision.BFLOAT16, num_bytes=1024)
    weight = device.allocate(64 * 64 * 2).view(np.uint16).reshape(64, 64)
    device.upload(weight, np.zeros((64, 64), np.uint16))
    numbers = Precision.BFLOAT16.widened(weight)
    assert numbers.std() == pytest.approx(WEIGHT_DEVIATION, rel=0.1)
    assert len({row.tobytes() for row in weight}) == 64


def test_all_else_is_uploaded_as_it_is(device: BenchDevice) -> None:
    norm = device.allocate(128).view(np.uint16)
    table = device.allocate(256).view(np.float32).reshape(8, 8)
    device.noise = Noise(device, Precision.BFLOAT16, num_bytes=1024)
    device.upload(norm, np.full(64, 3, np.uint16))
    device.upload(table, np.full((8, 8), 5, np.float32))
    assert (norm == 3).all()
    assert (table == 5).all()


def test_a_step_begins_at_its_first_upload() -> None:
    begun: list[int] = []
    device = BenchDevice(EmulatedDevice(), lambda: begun.append(1))
    target, pinned = device.allocate(16), np.zeros(16, np.uint8)
    device.upload(target, pinned)
    assert not begun
    device.expect_step()
    device.download(pinned, target)
    assert not begun
    device.upload(target, pinned)
    device.upload(target, pinned)
    assert begun == [1]
