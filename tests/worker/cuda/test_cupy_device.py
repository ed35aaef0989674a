"""CupyDevice asks CuPy for the right things: over a CuPy of ours, whose GPU is the host."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from forge_common.errors import DeviceError
from forge_worker.cuda.cupy_device import CupyDevice
from forge_worker.cuda.device import KernelSource
from forge_worker.cuda.nvrtc import Compilation, KernelUsage
from tests.worker.cuda.fake_cupy import ILLEGAL_ADDRESS, NOT_READY, FakeCupy

SOURCE = KernelSource("some.cu")
ONE = (1, 1, 1)
STATIC_BYTES = 4096


class OneCompilation:
    """A compiler of one file with one kernel, `scale`."""

    def __init__(self) -> None:
        self.num_compiled = 0

    def compile(self, source: KernelSource) -> Compilation:
        self.num_compiled += 1
        return Compilation(b"cubin", (KernelUsage("scale", 32, STATIC_BYTES, 0, 0, 0),))


@pytest.fixture
def cupy() -> FakeCupy:
    return FakeCupy()


@pytest.fixture
def device(cupy: FakeCupy) -> CupyDevice:
    return CupyDevice(cupy, 0, OneCompilation())  # type: ignore[arg-type]


def test_device_says_what_it_is(device: CupyDevice) -> None:
    assert device.info == ("NVIDIA Test", (9, 0), 132, 1 << 21, 232448)
    assert device.free_bytes() == 1 << 20


def test_memory_that_is_not_there_is_refused_with_numbers(device: CupyDevice) -> None:
    expected = r"NVIDIA Test has 0\.00 GiB free of 0\.00 GiB, not the 5\.00 GiB asked for"
    with pytest.raises(DeviceError, match=expected):
        device.allocate(5 << 30)


def test_bytes_come_back_as_they_were_uploaded(device: CupyDevice) -> None:
    there, pinned, back = device.allocate(24), *map(device.allocate_pinned, (24, 24))
    assert not back.any()
    pinned[:] = np.arange(24)
    device.upload(there, pinned)
    device.download(back, there)
    assert back.tolist() == list(range(24))
    device.fill_zero(there[4:8])
    device.download(back, there)
    assert back.tolist() == [0, 1, 2, 3, 0, 0, 0, 0, *range(8, 24)]


def test_pinned_memory_of_no_bytes(device: CupyDevice) -> None:
    assert device.allocate_pinned(0).shape == (0,)


def test_copies_of_other_sizes_or_with_gaps_are_refused(device: CupyDevice) -> None:
    there, pinned = device.allocate(8), device.allocate_pinned(16)
    with pytest.raises(ValueError, match="8 and 16 bytes"):
        device.upload(there, pinned)
    with pytest.raises(ValueError, match="gaps"):
        device.upload(there, pinned[::2])
    with pytest.raises(ValueError, match="gaps"):
        device.download(pinned[:4], there[::2])
    with pytest.raises(ValueError, match="gaps"):
        device.fill_zero(there[::2])


def test_arguments_reach_the_kernel_each_in_its_type(cupy: FakeCupy, device: CupyDevice) -> None:
    scale = device.kernels(SOURCE)["scale"]
    first, second = device.allocate(64), device.allocate(64)
    driver = cupy.cuda.driver
    driver.types = (
        ctypes.c_int32,
        ctypes.c_uint64,
        ctypes.c_float,
        ctypes.c_int64,
        ctypes.c_uint32,
        ctypes.c_uint64,
    )
    for number in (-1, 7):
        scalars = np.int32(number), np.float32(0.5), np.int64(-(2**40)), np.uint32(2**32 - 1)
        args = (scalars[0], first, *scalars[1:], second[16:].view(np.float32))
        scale((2, 3, 4), (32, 2, 1), args, shared_bytes=99)
    [launch, other] = driver.launches
    assert launch[1:5] == ((2, 3, 4), (32, 2, 1), 99, device.stream)
    addresses = first.data.ptr, second.data.ptr + 16
    assert launch.arguments == (-1, addresses[0], 0.5, -(2**40), 2**32 - 1, addresses[1])
    assert other.arguments[0] == 7


def test_kernel_of_no_arguments_runs(cupy: FakeCupy, device: CupyDevice) -> None:
    device.kernels(SOURCE)["scale"](ONE, ONE, ())
    assert cupy.cuda.driver.launches[0].arguments == ()


@pytest.mark.parametrize("wrong", [5, 0.5, np.zeros(3), None])
def test_arguments_that_have_no_c_type_are_refused(device: CupyDevice, wrong: object) -> None:
    with pytest.raises(TypeError, match="device arrays and NumPy scalars"):
        device.kernels(SOURCE)["scale"](ONE, ONE, (wrong,))


def test_another_number_of_arguments_is_refused(cupy: FakeCupy, device: CupyDevice) -> None:
    scale = device.kernels(SOURCE)["scale"]
    cupy.cuda.driver.types = (ctypes.c_int32,)
    scale(ONE, ONE, (np.int32(1),))
    with pytest.raises(ValueError, match="shorter"):
        scale(ONE, ONE, (np.int32(1), np.int32(2)))


def test_a_file_is_compiled_and_loaded_once(cupy: FakeCupy) -> None:
    compiler = OneCompilation()
    device = CupyDevice(cupy, 0, compiler)  # type: ignore[arg-type]
    assert device.kernels(SOURCE) is device.kernels(SOURCE)
    assert compiler.num_compiled == 1
    assert cupy.cuda.Module.loaded == [b"cubin"]


def test_kernels_may_use_all_shared_memory_from_the_start(
    cupy: FakeCupy, device: CupyDevice
) -> None:
    device.kernels(SOURCE)
    assert list(cupy.cuda.driver.attributes.values()) == [232448 - STATIC_BYTES]


def test_capture_runs_nothing_until_the_graph_is_launched(
    cupy: FakeCupy, device: CupyDevice
) -> None:
    scale = device.kernels(SOURCE)["scale"]
    graph = device.capture(lambda: scale(ONE, ONE, ()))
    assert not cupy.cuda.driver.launches
    graph.launch()
    graph.launch()
    assert len(cupy.cuda.driver.launches) == 2


def test_failed_capture_leaves_a_stream_that_works(cupy: FakeCupy, device: CupyDevice) -> None:
    def fail() -> None:
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        device.capture(fail)
    device.kernels(SOURCE)["scale"](ONE, ONE, ())
    assert len(cupy.cuda.driver.launches) == 1


def test_event_is_done_when_the_device_says_so(cupy: FakeCupy, device: CupyDevice) -> None:
    event = device.record()
    assert event.is_done()
    cupy.cuda.runtime.event_status = NOT_READY
    assert not event.is_done()


def test_failed_work_is_never_taken_for_unfinished(cupy: FakeCupy, device: CupyDevice) -> None:
    event = device.record()
    cupy.cuda.runtime.event_status = ILLEGAL_ADDRESS
    for ask in (event.is_done, event.wait, device.synchronize):
        with pytest.raises(DeviceError, match="the GPU failed: cudaError700"):
            ask()


def test_a_thread_that_waits_uses_the_same_device(cupy: FakeCupy) -> None:
    event = CupyDevice(cupy, 3, OneCompilation()).record()  # type: ignore[arg-type]
    cupy.cuda.runtime.device = 0
    event.wait()
    assert cupy.cuda.runtime.device == 3


def test_failed_launch_is_a_device_error(cupy: FakeCupy, device: CupyDevice) -> None:
    scale = device.kernels(SOURCE)["scale"]
    cupy.cuda.driver.status = ILLEGAL_ADDRESS
    with pytest.raises(DeviceError, match="the GPU failed"):
        scale(ONE, ONE, ())
