"""How attention is cut for a GPU's kernels: heads that a block serves, and tiles of queries.

Kernels are compiled for the numbers decided here. Knows no device and no model, only sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from forge_common.kv_format import DeviceKVName
from forge_worker.cuda.kv_tiles import KVTiles
from forge_worker.cuda.precision import Precision
from forge_worker.forward_inputs import IntArray

_FRAGMENT = 16  # numbers of a head that tensor cores multiply at a time
_WIDE_HEAD = 128  # numbers; of a wider head, a thread's registers hold half as many sums


class AttentionGeometry(NamedTuple):
    num_heads: int
    num_kv_heads: int
    head_dim: int
    block_size: int
    scale: float | None = None  # of scores; 1 / sqrt(head_dim) where it is None
    softcap: float | None = None  # scores become softcap * tanh(score / softcap)
    kv: DeviceKVName = "computed"

    @property
    def group(self) -> int:
        """Query heads that share a KV head."""
        return self.num_heads // self.num_kv_heads

    def tiles(self, precision: Precision) -> KVTiles:
        return KVTiles(precision, self.num_kv_heads, self.block_size, self.head_dim, self.kv)


class TileShape(NamedTuple):
    """Of attention_tile.cu. A row is one query head of one query."""

    rows: int
    queries: int
    keys: int  # that pass by at a time


class AttentionWork(NamedTuple):
    """A step's sequences, by the kernel that attends for them."""

    singles: IntArray  # [num_singles], indices of sequences
    tiles: IntArray  # [num_tiles, 2]: index of a sequence, first query of the tile in its chunk


class _Tile(NamedTuple):
    num_keys: int
    sequence: int
    first_query: int


def uses_tensor_cores(precision: Precision, geometry: AttentionGeometry) -> bool:
    """Otherwise every token attends on its own, and singles and tiles have no meaning."""
    return precision is not Precision.FLOAT32 and geometry.head_dim % _FRAGMENT == 0


def heads_per_block(precision: Precision, geometry: AttentionGeometry) -> int:
    """Query heads of a KV head that one block serves, when a token attends on its own."""
    most = 4
    if uses_tensor_cores(precision, geometry):
        most = 16 if geometry.head_dim <= _WIDE_HEAD else 8
    return max(heads for heads in range(1, most + 1) if geometry.group % heads == 0)


def tile_shape(geometry: AttentionGeometry) -> TileShape:
    """As large as 255 registers a thread allow: sums take rows * head_dim, scores rows * keys."""
    head_dim = geometry.head_dim
    rows = 128 if head_dim <= _WIDE_HEAD else 64
    keys = 64 if head_dim <= 64 else 48 if head_dim <= _WIDE_HEAD else 32
    return TileShape(rows, rows // geometry.group, keys)


class AttentionPlanner(NamedTuple):
    """`has_singles`: a sequence that runs one token may go another way than in a chunk, which is
    quicker and has other bits."""

    geometry: AttentionGeometry
    has_singles: bool = True

    def plan(self, query_lens: IntArray, context_lens: IntArray) -> AttentionWork:
        """`query_lens` and `context_lens` [num_sequences]. Tiles with most keys come first, so
        that the device is busy to the end."""
        queries = tile_shape(self.geometry).queries
        is_single = (query_lens == 1) & self.has_singles
        tiles = [
            tile
            for sequence in np.flatnonzero(~is_single).tolist()
            for tile in _tiles(
                sequence, int(query_lens[sequence]), int(context_lens[sequence]), queries
            )
        ]
        tiles.sort(key=lambda tile: -tile.num_keys)
        pairs = np.array([(tile.sequence, tile.first_query) for tile in tiles], np.int32)
        return AttentionWork(np.flatnonzero(is_single).astype(np.int32), pairs.reshape(-1, 2))


def _tiles(sequence: int, query_len: int, context_len: int, queries: int) -> Iterator[_Tile]:
    for first in range(0, query_len, queries):
        beyond = query_len - min(first + queries, query_len)
        yield _Tile(context_len - beyond, sequence, first)
