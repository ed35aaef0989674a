"""Ranks of one model as threads of this process, which meet at a barrier."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import numpy as np

from forge_common.sharding import Shard
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.models.load import load_shard
from forge_worker.models.registry import Model
from forge_worker.parallel.communicator import Communicator

Result = TypeVar("Result")
PATIENCE_S = 30.0


class Table:
    """Where each rank lays its array down for the others to see."""

    def __init__(self, num_ranks: int) -> None:
        self.arrays: list[np.ndarray] = [np.zeros(0)] * num_ranks
        self.barrier = Barrier(num_ranks)


class ThreadCommunicator:
    def __init__(self, shard: Shard, table: Table) -> None:
        self.shard = shard
        self._table = table

    def all_reduce_sum(self, array: np.ndarray) -> None:
        array[...] = sum(self._laid_down(array))

    def all_gather_columns(self, array: np.ndarray) -> np.ndarray:
        return np.concatenate(self._laid_down(array), axis=1)

    def _laid_down(self, array: np.ndarray) -> list[np.ndarray]:
        self._table.arrays[self.shard.rank] = array.copy()
        self._table.barrier.wait(PATIENCE_S)
        arrays = list(self._table.arrays)
        self._table.barrier.wait(PATIENCE_S)
        return arrays


def on_ranks(num_ranks: int, work: Callable[[Communicator], Result]) -> list[Result]:
    """What `work` returns on each of them."""
    table = Table(num_ranks)

    def run(rank: int) -> Result:
        try:
            return work(ThreadCommunicator(Shard(rank, num_ranks), table))
        except BaseException:
            table.barrier.abort()
            raise

    with ThreadPoolExecutor(num_ranks) as threads:
        return list(threads.map(run, range(num_ranks)))


def load_rank(path: Path, communicator: Communicator) -> Model:
    return load_shard(path, NumpyOps(), communicator, lambda done, total: None)
