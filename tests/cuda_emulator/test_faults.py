"""Tests of the tests: each mistake that is planted in a kernel must be reported or show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from forge_worker.cuda.device import Kernel, KernelSource
from tests.cuda_emulator.device import EmulatedDevice
from tests.cuda_emulator.faults import EmulatedFault
from tests.cuda_emulator.guarded import guarded

FAULTS = KernelSource(str(Path(__file__).with_name("kernels") / "planted_faults.cu"))
ORDERS = range(4)
ONE_BLOCK = (1, 1, 1)


def kernel(name: str, order: int = 0) -> Kernel:
    return EmulatedDevice(order).kernels(FAULTS)[name]


def results(
    name: str,
    given: Sequence[npt.NDArray[Any]],
    result: npt.NDArray[Any],
    threads: int,
    num_blocks: int = 1,
    shared_bytes: int = 0,
) -> list[npt.NDArray[Any]]:
    """What a kernel makes of `given`, under each schedule."""
    found = []
    for order in ORDERS:
        arrays = [array.copy() for array in (*given, result)]
        kernel(name, order)((num_blocks, 1, 1), (threads, 1, 1), arrays, shared_bytes)
        found.append(arrays[-1])
    return found


def num_different(found: Sequence[npt.NDArray[Any]]) -> int:
    return len({array.tobytes() for array in found})


def floats(count: int) -> npt.NDArray[np.float32]:
    return np.arange(count, dtype=np.float32)


def test_right_kernel_gives_the_same_under_all_schedules() -> None:
    found = results("reverse_right", [floats(128)], floats(128), 128)
    assert num_different(found) == 1
    np.testing.assert_array_equal(found[0], floats(128)[::-1])


@pytest.mark.parametrize(
    ("name", "num_values", "threads"),
    [
        ("reverse_without_barrier", 128, 128),
        ("swap_without_syncwarp", 32, 32),
        ("sum_twice_without_second_barrier", 256, 128),
    ],
)
def test_missing_barrier_gives_different_results(name: str, num_values: int, threads: int) -> None:
    assert num_different(results(name, [floats(num_values)], floats(threads), threads)) > 1


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("name", "threads", "reason"),
    [
        ("divergent_barrier", 64, "divergent barrier"),
        ("barrier_against_shuffle", 64, "deadlock: 64 threads wait"),
        ("shuffle_of_half_a_warp", 64, "deadlock: 64 threads wait"),
        ("shuffle_after_return", 32, "a shuffle reads a lane outside its mask, or one that has"),
        ("shuffle_outside_mask", 32, "a shuffle reads a lane outside its mask"),
        ("mask_without_caller", 32, "a lane brings a mask that leaves it out"),
        ("sum_against_maximum", 32, "lanes of a warp meet"),
        ("product_after_return", 32, "for a whole warp, some of whose lanes have returned"),
        ("misaligned_ldmatrix", 32, "misaligned access: a row for ldmatrix"),
    ],
)
def test_misuse_of_warps_and_barriers_is_named(
    name: str, threads: int, reason: str, order: int
) -> None:
    with pytest.raises(EmulatedFault, match=rf"^{name}: .*{reason}.*\.cuh?:\d+"):
        kernel(name, order)(ONE_BLOCK, (threads, 1, 1), [floats(threads)])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("first_row", [-1, 1])
def test_row_outside_an_array_is_an_illegal_address(first_row: int, order: int) -> None:
    array = guarded(floats(4 * 32), at_start=first_row < 0)
    arguments = [array, array, np.int32(first_row)]
    with pytest.raises(EmulatedFault) as caught:
        kernel("copy_rows", order)((4, 1, 1), (32, 1, 1), arguments)
    block = 0 if first_row < 0 else 3
    pattern = rf"illegal address 0x\w+, in block \({block},0,0\), thread \(\d+,0,0\), at planted"
    assert re.search(pattern, str(caught.value))


@pytest.mark.parametrize("at_start", [False, True])
def test_right_rows_of_a_guarded_array_are_no_fault(at_start: bool) -> None:
    given = guarded(floats(4 * 32), at_start=at_start)
    result = guarded(np.zeros(4 * 32, np.float32), at_start=at_start)
    kernel("copy_rows")((4, 1, 1), (32, 1, 1), [given, result, np.int32(0)])
    np.testing.assert_array_equal(result, given)


def test_endless_loop_is_a_fault() -> None:
    wait = EmulatedDevice(max_launch_s=1).kernels(FAULTS)["wait_for_next_block"]
    with pytest.raises(EmulatedFault, match=r"no end .*, in block \(0,0,0\), .*faults\.cu:\d+$"):
        wait((2, 1, 1), (1, 1, 1), [np.zeros(2, np.int32)])


def test_a_launch_after_a_fault_works() -> None:
    with pytest.raises(EmulatedFault):
        kernel("divergent_barrier")(ONE_BLOCK, (64, 1, 1), [floats(64)])
    found = results("reverse_right", [floats(128)], floats(128), 128)
    np.testing.assert_array_equal(found[0], floats(128)[::-1])


@pytest.mark.parametrize(
    ("name", "argument", "reason"),
    [
        ("index_beyond_local_array", np.int32(4), "an index beyond its array"),
        ("endless_recursion", np.int32(0), "illegal address"),
        ("divide", np.int32(0), "division by zero"),
        ("shift", np.int32(32), "a shift by more bits than there are"),
    ],
)
def test_what_a_gpu_leaves_undefined_is_a_fault(name: str, argument: Any, reason: str) -> None:
    result = np.zeros(32, np.int32 if name in ("divide", "shift") else np.float32)
    with pytest.raises(EmulatedFault, match=rf"^{name}: {reason}.*planted_faults\.cu:\d+"):
        kernel(name)(ONE_BLOCK, (32, 1, 1), [result, argument])


def test_misaligned_vector_load_names_the_line() -> None:
    with pytest.raises(EmulatedFault, match=r"thread \(1,0,0\), at elements\.cuh:\d+ in planted"):
        kernel("misaligned_vector")(ONE_BLOCK, (32, 1, 1), [floats(64), floats(32)])


def test_ldmatrix_of_global_memory_is_a_fault() -> None:
    with pytest.raises(EmulatedFault, match="ldmatrix reads outside shared memory"):
        kernel("ldmatrix_of_global_memory")(ONE_BLOCK, (32, 1, 1), [floats(128), floats(32)])


def test_writing_beyond_dynamic_shared_memory_is_a_fault() -> None:
    write = kernel("write_beyond_dynamic_shared")
    write(ONE_BLOCK, (32, 1, 1), [floats(32)], 128)
    with pytest.raises(EmulatedFault, match="wrote behind its 124 bytes"):
        write(ONE_BLOCK, (32, 1, 1), [floats(32)], 124)


def test_unwritten_shared_memory_is_nan_in_every_block() -> None:
    for result in results("read_unwritten_shared", [], floats(64), 32, 2, shared_bytes=128):
        np.testing.assert_array_equal(np.isnan(result), np.arange(64) % 32 == 5)


def test_missing_wait_for_a_copy_shows() -> None:
    for result in results("async_copy_right", [floats(128)], floats(128), 32):
        np.testing.assert_array_equal(result, floats(128))
    found = results("async_copy_without_wait", [floats(128)], floats(128), 32)
    assert np.isnan(found[0]).all()


def test_copy_into_a_buffer_in_use_shows() -> None:
    given = floats(2 * 128 * 4)
    found = results("async_copy_into_buffer_in_use", [given], floats(128), 128)
    assert num_different(found) > 1


def test_asynchronous_copy_beyond_an_array_is_a_fault_even_without_wait() -> None:
    given = guarded(floats(31 * 4))
    with pytest.raises(EmulatedFault, match=r"illegal address.*thread \(31,0,0\)"):
        kernel("async_copy_beyond_array")(ONE_BLOCK, (32, 1, 1), [given, floats(32)])


def test_last_block_may_be_any() -> None:
    given = [floats(9), np.full(9, np.nan, np.float32), np.zeros(1, np.int32)]
    for result in results("last_block_adds", given, floats(1), 1, num_blocks=9):
        assert result[0] == 36
    found = results("greatest_block_adds", given[:2], floats(1), 1, num_blocks=9)
    assert num_different(found) > 1
