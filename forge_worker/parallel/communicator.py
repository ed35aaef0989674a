"""Communicator: what the ranks of one model tell each other inside a step.

Every rank calls the same operations in the same order. Results are the same bits on every rank, so
that all of them sample the same tokens and need not tell each other which. Knows arrays, not what
they mean.
"""

from __future__ import annotations

from typing import Protocol

from forge_common.sharding import WHOLE_MODEL, Shard
from forge_worker.ops.protocol import Array


class Communicator(Protocol):
    @property
    def shard(self) -> Shard:
        """Which rank this is, of how many."""

    def all_reduce_sum(self, array: Array) -> None:
        """Overwrite `array`, contiguous, with the sum of those of all ranks."""

    def all_gather_columns(self, array: Array) -> Array:
        """The arrays [num_rows, n] of all ranks side by side: [num_rows, n · num_ranks]."""


class SingleRank:
    """Has nobody to talk to."""

    @property
    def shard(self) -> Shard:
        return WHOLE_MODEL

    def all_reduce_sum(self, array: Array) -> None:
        pass

    def all_gather_columns(self, array: Array) -> Array:
        return array
