"""The device of these tests: a GPU. `make test-gpu` runs them, and no machine without one does.

Most are the emulator's own tests once more. With FORGE_REHEARSE_GPU=1 they run without a GPU, on an
emulator whose arrays are as closed to the host as a GPU's: so they are known to run before there is
one. FORGE_TEST_GPU is the index of the GPU, 0 by default.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forge_common.errors import ForgeError
from forge_worker.cuda.cubin_cache import default_folder
from forge_worker.cuda.cupy_device import CupyDevice
from forge_worker.cuda.device import Device
from forge_worker.cuda.device_check import open_device
from tests.cuda_emulator.opaque import OpaqueDevice

IS_REHEARSAL = os.environ.get("FORGE_REHEARSE_GPU") == "1"
INDEX = int(os.environ.get("FORGE_TEST_GPU", "0"))
HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the emulator's tests only those that run on whatever device there is."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.gpu)
    without_device = {item for item in ours if "device" not in getattr(item, "fixturenames", ())}
    config.hook.pytest_deselected(items=list(without_device))
    items[:] = [item for item in items if item not in without_device]


@pytest.fixture(scope="session")
def device() -> Device:
    if IS_REHEARSAL:
        return OpaqueDevice()
    try:
        return open_device(INDEX, default_folder(os.environ))
    except ForgeError as error:
        pytest.exit(f"the tests of the GPU need one: {error}", returncode=1)


@pytest.fixture(scope="session")
def gpu(device: Device) -> CupyDevice:
    """For what only hardware shows."""
    if not isinstance(device, CupyDevice):
        pytest.skip("a rehearsal has no GPU")
    return device


@pytest.fixture(scope="session")
def schedules(device: Device) -> list[Device]:
    """The same GPU twice: its threads are scheduled as it likes, and it must repeat itself."""
    return [device, device]
