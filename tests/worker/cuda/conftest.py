"""The device the kernels' tests run on: the emulator."""

from __future__ import annotations

import pytest

from forge_worker.cuda.device import Device
from tests.cuda_emulator import EmulatedDevice

_SCHEDULES = (0, 1, 2, 3)  # threads forwards, backwards, and shuffled in two ways


@pytest.fixture(scope="session")
def device() -> Device:
    return EmulatedDevice()


@pytest.fixture(scope="session")
def schedules(device: Device) -> list[Device]:
    """Devices that must agree bit for bit: emulated, each takes threads in another order."""
    if isinstance(device, EmulatedDevice):
        return [EmulatedDevice(order) for order in _SCHEDULES]
    return [device, device]
