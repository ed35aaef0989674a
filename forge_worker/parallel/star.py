"""The ranks of one host as a star: all send to rank 0, which answers with the result.

Sums are taken in the order of ranks and by rank 0 alone, so that every rank holds the same bits.
Twice the bytes of a ring go through the center, which is no matter for a few ranks on one host.
Knows links and arrays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forge_common.sharding import Shard
from forge_worker.forward_inputs import FloatArray
from forge_worker.parallel.rank_link import RankLink


class StarCenter:
    """Rank 0."""

    def __init__(self, links: Sequence[RankLink]) -> None:
        """To the other ranks, in their order."""
        self._links = links

    @property
    def shard(self) -> Shard:
        return Shard(rank=0, num_ranks=1 + len(self._links))

    def all_reduce_sum(self, array: FloatArray) -> None:
        for received in self._receive_like(array):
            array += received
        self._send(array)

    def all_gather_columns(self, array: FloatArray) -> FloatArray:
        gathered = np.concatenate([array, *self._receive_like(array)], axis=1)
        self._send(gathered)
        return gathered

    def _receive_like(self, array: FloatArray) -> list[FloatArray]:
        received = [np.empty_like(array) for _ in self._links]
        for link, out in zip(self._links, received, strict=True):
            link.receive_array(out)
        return received

    def _send(self, array: FloatArray) -> None:
        for link in self._links:
            link.send_array(array)


class StarPoint:
    """Any other rank."""

    def __init__(self, link: RankLink, shard: Shard) -> None:
        """`link` is to rank 0."""
        self._link = link
        self._shard = shard

    @property
    def shard(self) -> Shard:
        return self._shard

    def all_reduce_sum(self, array: FloatArray) -> None:
        self._link.send_array(array)
        self._link.receive_array(array)

    def all_gather_columns(self, array: FloatArray) -> FloatArray:
        self._link.send_array(array)
        num_rows, num_columns = array.shape
        gathered = np.empty((num_rows, num_columns * self._shard.num_ranks), array.dtype)
        self._link.receive_array(gathered)
        return gathered
