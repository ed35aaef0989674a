"""Tasks on several threads."""

from __future__ import annotations

from threading import get_ident

import pytest

from forge_worker.cpu.thread_pool import Scratch, ThreadPool, split


@pytest.mark.parametrize("num_threads", [1, 2, 4])
@pytest.mark.parametrize("num_tasks", [0, 1, 2, 50])
def test_every_task_runs_once(num_threads: int, num_tasks: int) -> None:
    done: list[int] = []
    tasks = [lambda _, i=i: done.append(i) for i in range(num_tasks)]
    ThreadPool(num_threads).run(tasks)
    assert sorted(done) == list(range(num_tasks))


def test_one_thread_is_the_callers() -> None:
    threads: set[int] = set()
    ThreadPool(1).run([lambda _: threads.add(get_ident())] * 5)
    assert threads == {get_ident()}


def test_an_error_reaches_the_caller_and_leaves_the_pool_usable() -> None:
    def fail(_: Scratch) -> None:
        raise ValueError("broken")

    pool, done = ThreadPool(3), []
    for _ in range(20):
        with pytest.raises(ValueError, match="broken"):
            pool.run([fail, fail, fail])
        pool.run([done.append] * 3)
    assert len(done) == 60


def test_scratch_is_used_again() -> None:
    scratch = Scratch()
    first = scratch.take("a", (4, 5))
    assert scratch.take("a", (2, 3)).base is first.base
    assert scratch.take("a", (100,)).shape == (100,)


def test_scratch_of_another_name_is_other_memory() -> None:
    scratch = Scratch()
    assert scratch.take("a", (4,)).base is not scratch.take("b", (4,)).base


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 100])
@pytest.mark.parametrize("num_parts", [1, 2, 7])
@pytest.mark.parametrize("multiple", [1, 16])
def test_split_covers_the_length(length: int, num_parts: int, multiple: int) -> None:
    parts = split(length, num_parts, multiple)
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(length))
    assert len(parts) <= num_parts
    assert all(part.start % multiple == 0 for part in parts)
