from __future__ import annotations

import gc
import threading
import time

import numpy as np
import pytest

from forge_worker.cpu.native.kernel import Kernel, compile_kernel
from forge_worker.cpu.native.memory import add_shared, read_long, write_long
from forge_worker.cpu.native.pool import Launches, NativePool, Record


def count(arguments: int, task: int, scratch: int) -> None:
    """Add task + 1 to a counter of the task's own."""
    add_shared(read_long(arguments) + 8 * task, task + 1)


def use_scratch(arguments: int, task: int, scratch: int) -> None:
    """Write all of the scratch, then see whether it is still what was written."""
    num_longs = read_long(arguments + 8)
    for index in range(num_longs):
        write_long(scratch + 8 * index, task)
    wrong = 0
    for index in range(num_longs):
        if read_long(scratch + 8 * index) != task:
            wrong += 1
    add_shared(read_long(arguments), wrong)


def tell_scratch(arguments: int, task: int, scratch: int) -> None:
    """Long enough that a helper comes in time; each thread has a scratch of its own."""
    for _ in range(20_000):
        add_shared(scratch, 1)
    write_long(read_long(arguments) + 8 * task, scratch)


@pytest.fixture(scope="module")
def telling() -> Kernel:
    return compile_kernel(tell_scratch, "tell_scratch")


@pytest.fixture(scope="module")
def counting() -> Kernel:
    return compile_kernel(count, "count")


@pytest.mark.parametrize("num_threads", [1, 2, 5])
def test_every_task_is_done_once(counting: Kernel, num_threads: int) -> None:
    pool = NativePool(num_threads)
    for num_tasks in (0, 1, 2, 3, 64, 1000):
        counters = np.zeros(1001, np.int64)
        for _ in range(50):
            pool.run(counting, Record([counters.ctypes.data]), num_tasks)
        expected = np.where(np.arange(1001) < num_tasks, 50 * np.arange(1, 1002), 0)
        assert (counters == expected).all()


@pytest.mark.parametrize("num_threads", [1, 3])
def test_launches_are_done_one_after_the_other(counting: Kernel, num_threads: int) -> None:
    counters = np.zeros((2, 10), np.int64)
    records = [Record([row.ctypes.data]) for row in counters]
    num_tasks = np.array([10, 7], np.int64)
    launches = Launches(
        (counting, record, num_tasks.ctypes.data + 8 * index)
        for index, record in enumerate(records)
    )
    pool = NativePool(num_threads)
    pool.run_all(launches)
    num_tasks[:] = 0, 10
    pool.run_all(launches)
    once = np.arange(1, 11)
    assert (counters == [once, once + np.where(once <= 7, once, 0)]).all()


def test_helpers_wake_after_a_pause(counting: Kernel) -> None:
    pool = NativePool(3)
    counters = np.zeros(100, np.int64)
    for _ in range(10):
        time.sleep(0.005)
        pool.run(counting, Record([counters.ctypes.data]), 100)
    assert (counters == 10 * np.arange(1, 101)).all()


def test_idle_helpers_use_no_time(counting: Kernel) -> None:
    pool = NativePool(3)
    pool.run(counting, Record([np.zeros(8, np.int64).ctypes.data]), 8)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - before < 0.05


def test_threads_have_scratch_of_their_own() -> None:
    kernel = compile_kernel(use_scratch, "use_scratch")
    pool = NativePool(4, scratch_bytes=1024)
    wrong = np.zeros(1, np.int64)
    pool.run(kernel, Record([wrong.ctypes.data, 128]), 2000)
    pool.reserve_scratch(2**16)
    pool.run(kernel, Record([wrong.ctypes.data, 2**13]), 500)
    assert wrong[0] == 0


def num_threads_used(pool: NativePool, telling: Kernel) -> int:
    used = np.zeros(200, np.int64)
    pool.run(telling, Record([used.ctypes.data]), len(used))
    assert used.all()
    return len(set(used.tolist()))


def test_helper_whose_core_is_lent_takes_no_tasks(telling: Kernel) -> None:
    pool = NativePool(2)
    for _ in range(5):
        with pool.lent_core():
            time.sleep(0.02)  # it may have been about to take one
            assert num_threads_used(pool, telling) == 1
    deadline = time.monotonic() + 10
    while num_threads_used(pool, telling) == 1:
        assert time.monotonic() < deadline, "the helper does not come back"


def test_core_may_be_lent_while_others_run(counting: Kernel) -> None:
    pool, is_over = NativePool(3), threading.Event()

    def borrow() -> None:
        while not is_over.is_set():
            with pool.lent_core():
                pass

    borrower = threading.Thread(target=borrow)
    borrower.start()
    counters = np.zeros(64, np.int64)
    for _ in range(2000):
        pool.run(counting, Record([counters.ctypes.data]), 64)
    is_over.set()
    borrower.join()
    assert (counters == 2000 * np.arange(1, 65)).all()


def test_helper_that_is_away_uses_no_time(counting: Kernel) -> None:
    pool = NativePool(2)
    with pool.lent_core():
        time.sleep(0.05)
        before = time.process_time()
        time.sleep(0.2)
        assert time.process_time() - before < 0.05


def test_one_thread_has_no_core_to_lend(telling: Kernel) -> None:
    pool = NativePool(1)
    with pool.lent_core():
        assert num_threads_used(pool, telling) == 1


def test_helpers_end_with_their_pool(counting: Kernel) -> None:
    gc.collect()  # the pools of other tests end theirs
    before = threading.active_count()
    pool = NativePool(4)
    pool.run(counting, Record([np.zeros(8, np.int64).ctypes.data]), 8)
    assert threading.active_count() == before + 3
    del pool
    gc.collect()
    assert threading.active_count() == before
