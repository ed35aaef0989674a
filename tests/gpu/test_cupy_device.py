"""What no emulator shows of CupyDevice: order, overlap, limits and faults of a real GPU."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from forge_common.errors import DeviceError
from forge_worker.cuda.cupy_device import CupyDevice
from forge_worker.cuda.device import Kernel
from tests.gpu.writes import NUM_BYTES, WRITE_AT

FAR = 1 << 40
SOME_MIB = 64 << 20
ONE = (1, 1, 1)


@pytest.fixture
def write_at(gpu: CupyDevice) -> Kernel:
    return gpu.kernels(WRITE_AT)["write_at"]


def test_bytes_come_back_as_they_went(gpu: CupyDevice) -> None:
    sent, back = gpu.allocate_pinned(SOME_MIB), gpu.allocate_pinned(SOME_MIB)
    sent[:] = np.random.default_rng(0).integers(0, 256, SOME_MIB, np.uint8)
    memory = gpu.allocate(SOME_MIB)
    assert memory.data.ptr % 256 == 0
    gpu.upload(memory, sent)
    gpu.fill_zero(memory[1000:2000])
    gpu.download(back, memory)
    gpu.synchronize()
    sent[1000:2000] = 0
    assert (back == sent).all()


def test_host_does_not_wait_for_what_it_queues(gpu: CupyDevice) -> None:
    """Copies of some milliseconds each; a host that waited for them would find them done."""
    pinned, memory = gpu.allocate_pinned(SOME_MIB), gpu.allocate(SOME_MIB)
    for _ in range(20):
        gpu.upload(memory, pinned)
    event = gpu.record()
    assert not event.is_done()
    event.wait()
    assert event.is_done()


def test_graph_is_launched_in_order_with_all_else(gpu: CupyDevice, write_at: Kernel) -> None:
    memory, back = gpu.allocate(4), gpu.allocate_pinned(4)
    graph = gpu.capture(lambda: write_at(ONE, ONE, (memory, np.int64(2))))
    for expected in ([0, 0, 1, 0], [0, 0, 1, 0]):
        gpu.fill_zero(memory)
        graph.launch()
        gpu.download(back, memory)
        gpu.synchronize()
        assert back.tolist() == expected


def test_capture_that_fails_leaves_the_stream_as_it_was(gpu: CupyDevice, write_at: Kernel) -> None:
    def fail() -> None:
        write_at(ONE, ONE, (memory, np.int64(0)))
        raise ValueError("ours")

    memory = gpu.allocate(1)
    with pytest.raises(ValueError, match="ours"):
        gpu.capture(fail)
    gpu.fill_zero(memory)
    gpu.synchronize()


def test_memory_that_is_not_there_is_refused_and_the_gpu_goes_on(gpu: CupyDevice) -> None:
    with pytest.raises(DeviceError, match=r"GiB free of .* GiB asked for"):
        gpu.allocate(2 * gpu.info.total_bytes)
    gpu.fill_zero(gpu.allocate(100))
    gpu.synchronize()


def test_what_is_allocated_is_no_longer_free(gpu: CupyDevice) -> None:
    before = gpu.free_bytes()
    memory = gpu.allocate(SOME_MIB)
    assert before - gpu.free_bytes() >= memory.nbytes


@pytest.mark.parametrize(("place", "status"), [(NUM_BYTES - 1, 0), (FAR, 1)])
def test_fault_is_one_sentence(gpu: CupyDevice, place: int, status: int) -> None:
    command = [sys.executable, "-m", "tests.gpu.writes", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("the GPU failed: ") == bool(status)
