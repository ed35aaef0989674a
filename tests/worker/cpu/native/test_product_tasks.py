"""How many tasks a product is shared out in."""

from __future__ import annotations

from forge_worker.cpu.native.products import MIN_TASK_BYTES, TASKS_PER_THREAD, most_tasks


def test_large_product_has_many_tasks_for_each_thread() -> None:
    assert most_tasks(10_000, 2**30, num_threads=3) == 3 * TASKS_PER_THREAD


def test_small_product_has_as_many_tasks_as_are_worth_taking() -> None:
    assert most_tasks(24, 5 * MIN_TASK_BYTES, num_threads=2) == 5


def test_smallest_product_still_has_one_for_each_thread() -> None:
    assert most_tasks(24, 100, num_threads=4) == 4
    assert most_tasks(3, 100, num_threads=4) == 3
