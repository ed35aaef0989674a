"""The emulated device keeps the promises of the Device protocol, and refuses what a GPU would."""

from __future__ import annotations

import gc
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from forge_common.errors import DeviceError
from forge_worker.cuda.device import Device, KernelSource
from forge_worker.cuda.precision import Precision
from tests.cuda_emulator import EmulatedDevice, EmulatedFault, NumpyGemm, guarded

SAMPLES = KernelSource(str(Path(__file__).with_name("kernels") / "samples.cu"))


def as_protocol(device: EmulatedDevice) -> Device:
    """That mypy agrees."""
    return device


def add_one(device: EmulatedDevice, array: np.ndarray) -> None:
    kernel = device.kernels(SAMPLES)["add"]
    kernel((len(array), 1, 1), (1, 1, 1), [array, np.int32(len(array)), np.float32(1)])


def test_graph_does_what_was_recorded_and_nothing_before() -> None:
    device = EmulatedDevice()
    array = np.zeros(4, np.float32)
    graph = as_protocol(device).capture(lambda: add_one(device, array))
    np.testing.assert_array_equal(array, 0)
    for num_launches in (1, 2):
        graph.launch()
        np.testing.assert_array_equal(array, num_launches)
    add_one(device, array)
    np.testing.assert_array_equal(array, 3)


def test_graph_holds_kernels_and_products_in_order() -> None:
    device = EmulatedDevice()
    random = np.random.default_rng(0)
    x, weight = random.standard_normal((2, 3, 3), np.float32)
    gemm = NumpyGemm(device, Precision.FLOAT32)

    def work(x: np.ndarray, out: np.ndarray) -> None:
        gemm(x, weight, out, accumulate=False)
        add_one(device, out.reshape(-1))
        gemm(x, weight, out, accumulate=True)

    eager, replayed = np.zeros((2, 3, 3), np.float32)
    inputs = x.copy()
    graph = device.capture(lambda: work(inputs, replayed))
    work(x, eager)
    graph.launch()
    np.testing.assert_array_equal(replayed, eager)
    np.testing.assert_allclose(eager, 2 * x @ weight.T + 1, rtol=1e-5)
    inputs[:] = 0  # the addresses are recorded, not what lies there
    graph.launch()
    np.testing.assert_array_equal(replayed, 1)


def test_fault_in_a_graph_is_raised_by_its_launch() -> None:
    device = EmulatedDevice()
    array = guarded(np.zeros(4, np.float32))
    kernel = device.kernels(SAMPLES)["add"]
    graph = device.capture(
        lambda: kernel((5, 1, 1), (1, 1, 1), [array, np.int32(5), np.float32(1)])
    )
    with pytest.raises(EmulatedFault, match="illegal address"):
        graph.launch()


def test_copies_cannot_be_part_of_a_graph() -> None:
    device = EmulatedDevice()
    array = device.allocate(4)
    with pytest.raises(DeviceError, match="cannot be part of a graph"):
        device.capture(lambda: device.fill_zero(array))
    device.fill_zero(array)  # recording has ended


def test_fresh_memory_is_nan_and_aligned_and_ends_at_a_guard() -> None:
    device = EmulatedDevice()
    for num_bytes in (256, 300, 0):
        array = device.allocate(num_bytes)
        assert array.shape == (num_bytes,)
        assert array.ctypes.data % 256 == 0
        assert (array == 0xFF).all()
    floats = device.allocate(256).view(np.float32)
    kernel = device.kernels(SAMPLES)["add"]
    with pytest.raises(EmulatedFault, match="illegal address"):
        kernel((65, 1, 1), (1, 1, 1), [floats, np.int32(65), np.float32(1)])


def test_fresh_memory_can_be_filled_with_anything() -> None:
    assert (EmulatedDevice(fresh_byte=7).allocate(10) == 7).all()


def test_memory_is_finite_and_comes_back() -> None:
    device = EmulatedDevice(total_bytes=1000)
    array = device.allocate(600)
    view = array[:100].view(np.float32)
    del array
    with pytest.raises(DeviceError, match="400 bytes left, not the 500 asked for"):
        device.allocate(500)
    del view
    gc.collect()
    assert device.free_bytes() == 1000


def test_bytes_go_up_and_down() -> None:
    device = EmulatedDevice()
    pinned = device.allocate_pinned(16)
    assert not pinned.any()
    pinned[:] = np.arange(16)
    target = device.allocate(16)
    device.upload(target.view(np.float32), pinned)
    back = np.zeros(4, np.float32)
    device.download(back, target)
    np.testing.assert_array_equal(back.view(np.uint8), pinned)
    device.fill_zero(target)
    assert not target.any()
    with pytest.raises(ValueError, match="a copy of 16 bytes to 8"):
        device.upload(target[:8], pinned)
    event = device.record()
    event.wait()
    assert event.is_done()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((np.zeros(2, np.float32), np.int32(2)), "add takes 3 arguments, not 2"),
        ((np.zeros(2, np.float32), np.int64(2), np.float32(1)), "argument 1 of add is int64"),
        ((np.zeros(2, np.float32), 2, np.float32(1)), "argument 1 of add is int, not int32"),
        ((np.zeros(2, np.float32), np.int32(2), np.float64(1)), "argument 2 of add is float64"),
        ((np.float32(0), np.int32(2), np.float32(1)), "argument 0 of add is float32, no array"),
        ((np.zeros(2), np.int32(2), np.float32(1)), "argument 0 of add holds float64, not float32"),
    ],
)
def test_wrong_arguments_are_type_errors(arguments: tuple[object, ...], reason: str) -> None:
    kernel = EmulatedDevice().kernels(SAMPLES)["add"]
    with pytest.raises(TypeError, match=reason):
        kernel((1, 1, 1), (1, 1, 1), arguments)


def test_array_with_gaps_is_refused() -> None:
    kernel = EmulatedDevice().kernels(SAMPLES)["add"]
    with pytest.raises(ValueError, match="argument 0 of add has gaps"):
        kernel((1, 1, 1), (1, 1, 1), [np.zeros(4, np.float32)[::2], np.int32(2), np.float32(1)])


@pytest.mark.parametrize(
    ("grid", "block", "shared_bytes", "reason"),
    [
        ((1, 1, 1), (65, 1, 1), 0, "__launch_bounds__"),
        ((1, 1, 1), (0, 1, 1), 0, "1 to 1024 threads"),
        ((0, 1, 1), (1, 1, 1), 0, "at least one block"),
        ((1, 65536, 1), (1, 1, 1), 0, "at most 65535 blocks"),
        ((1, 1, 1), (1, 1, 1), 232449, "more dynamic shared memory"),
    ],
)
def test_impossible_launches_are_refused(
    grid: tuple[int, int, int], block: tuple[int, int, int], shared_bytes: int, reason: str
) -> None:
    kernel = EmulatedDevice().kernels(SAMPLES)["add"]
    arguments = [np.zeros(1, np.float32), np.int32(1), np.float32(1)]
    with pytest.raises(EmulatedFault, match=reason):
        kernel(grid, block, arguments, shared_bytes)


@pytest.mark.parametrize("order", range(4))
def test_every_thread_of_every_block_runs_once(order: int) -> None:
    """In three dimensions, and with a last warp that is not full."""
    grid, block = (3, 2, 4), (5, 3, 3)
    counts = np.zeros((4, 2, 3, 3, 3, 5), np.int32)
    EmulatedDevice(order).kernels(SAMPLES)["count"](grid, block, [counts])
    np.testing.assert_array_equal(counts, 1)


def test_kernels_may_be_launched_from_any_thread() -> None:
    device = EmulatedDevice()
    arrays = [np.zeros(50, np.float32) for _ in range(4)]
    threads = [Thread(target=add_one, args=(device, array)) for array in arrays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(np.stack(arrays), 1)


def test_empty_and_odd_arrays_can_be_guarded() -> None:
    for shape in ((0,), (3,), (2, 0), (1, 5000)):
        array = np.ones(shape, np.float16)
        for at_start in (False, True):
            copy = guarded(array, at_start=at_start)
            np.testing.assert_array_equal(copy, array)
            assert copy.dtype == array.dtype


def test_scalars_arrive_whole() -> None:
    result = np.zeros(3, np.int64)
    kernel = EmulatedDevice().kernels(SAMPLES)["scalars"]
    arguments = [result, np.int32(-5), np.int64(-(2**40)), np.uint64(2**63), np.float32(0.5)]
    kernel((1, 1, 1), (1, 1, 1), arguments)
    np.testing.assert_array_equal(result, [-5, -(2**40) + 2, -(2**63)])
