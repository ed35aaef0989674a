"""Rotary embedding and the write of K and V on the device: kernels/rotary.cu. Knows no model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from forge_common.checkpoint.rope_scaling import Rope
from forge_worker.cuda.device import Argument, Device, KernelSource
from forge_worker.cuda.device_step import DeviceStep
from forge_worker.cuda.kv_tiles import KVTiles
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.shapes import require
from forge_worker.cuda.vectors import WARP_THREADS, vector_width
from forge_worker.forward_inputs import FloatArray
from forge_worker.ops.protocol import Array, HeadNorms, KVLayer
from forge_worker.rotary import rotation

NUM_THREADS = 128  # a single token of 48 heads of 128 still spreads over three multiprocessors
TOKEN_THREADS = 256  # where all heads of a token are normed together
MAX_WIDTH = 8
MAX_BYTES_WIDTH = 4  # where a lane holds all of its numbers while the row's scale is found
_POSITIONS_PER_PIECE = 8192  # of the table while it is made: bounds what else is in memory


class HeadShape(NamedTuple):
    """The heads of this rank, as a row of joined q|k|v has them."""

    num_heads: int
    num_kv_heads: int
    head_dim: int

    @property
    def heads_per_token(self) -> int:
        return self.num_heads + 2 * self.num_kv_heads


class Rotary:
    """A table is `rotation_table` on the device, float32 [max_model_len, head_dim / 2, 2]."""

    def __init__(
        self,
        device: Device,
        precision: Precision,
        heads: HeadShape,
        tiles: KVTiles,
        tables: Mapping[Rope, Array],
    ) -> None:
        for table in tables.values():
            require("table", table, (len(table), heads.head_dim // 2, 2), np.float32)
        self._heads = heads
        self._tiles = tiles
        self._dtype = precision.dtype
        self._tables = tables
        max_width = MAX_WIDTH if tiles.kv == "computed" else MAX_BYTES_WIDTH
        width = vector_width(heads.head_dim // 2, max_width)
        self._num_lanes = num_lanes(heads.head_dim // 2 // width)
        constants = (
            ("ELEMENT", precision.kernel_type),
            ("CACHED", tiles.kernel_type),
            ("HEAD_DIM", heads.head_dim),
            ("NUM_HEADS", heads.num_heads),
            ("NUM_KV_HEADS", heads.num_kv_heads),
            ("BLOCK_SIZE", tiles.block_size),
            ("WIDTH", width),
            ("LANES", self._num_lanes),
            ("BLOCK_THREADS", NUM_THREADS),
            ("TOKEN_THREADS", TOKEN_THREADS),
        )
        self._kernels = device.kernels(KernelSource("rotary.cu", constants))

    def __call__(
        self,
        qkv: Array,
        norms: HeadNorms | None,
        rope: Rope,
        step: DeviceStep,
        kv_layer: KVLayer,
    ) -> None:
        """Queue Q of `qkv` [T, heads · head_dim] in its place, K and V into the slots of the step.

        Only of live tokens: the other rows, and the rest of the cache, are left as they are.
        """
        self._require(qkv, step, kv_layer)
        arguments: tuple[Argument, ...] = (
            *(qkv, step.counts, step.positions, step.slots, self._tables[rope]),
            *kv_layer,
        )
        if norms is None:
            self._launch_by_head("rotate_and_store", arguments, len(qkv))
            return
        arguments += (norms.query, norms.key, np.float32(norms.eps))
        if len(norms.query) == self._heads.head_dim:
            self._require_norms(norms, 1, 1)
            self._launch_by_head("norm_rotate_and_store", arguments, len(qkv))
        else:
            self._require_norms(norms, self._heads.num_heads, self._heads.num_kv_heads)
            self._launch_by_token("norm_all_rotate_and_store", arguments, len(qkv))

    def _launch_by_head(self, name: str, arguments: tuple[Argument, ...], num_tokens: int) -> None:
        num_lanes = num_tokens * self._heads.heads_per_token * self._num_lanes
        if num_tokens:
            grid = (-(-num_lanes // NUM_THREADS), 1, 1)
            self._kernels[name](grid, (NUM_THREADS, 1, 1), arguments)

    def _launch_by_token(self, name: str, arguments: tuple[Argument, ...], num_tokens: int) -> None:
        if num_tokens:
            self._kernels[name]((num_tokens, 1, 1), (TOKEN_THREADS, 1, 1), arguments)

    def _require_norms(self, norms: HeadNorms, num_heads: int, num_kv_heads: int) -> None:
        """Weights for so many heads at once."""
        head_dim = self._heads.head_dim
        require("query norm", norms.query, (num_heads * head_dim,), np.float32)
        require("key norm", norms.key, (num_kv_heads * head_dim,), np.float32)

    def _require(self, qkv: Array, step: DeviceStep, kv_layer: KVLayer) -> None:
        num_tokens = len(qkv)
        width = self._heads.heads_per_token * self._heads.head_dim
        cached = self._tiles.shape(len(kv_layer.keys))
        require("qkv", qkv, (num_tokens, width), self._dtype)
        require("counts", step.counts, (4,), np.int32)
        require("positions", step.positions, (num_tokens,), np.int32)
        require("slots", step.slots, (num_tokens,), np.int64)
        require("keys", kv_layer.keys, cached, self._tiles.dtype)
        require("values", kv_layer.values, cached, self._tiles.dtype)


def num_lanes(num_vectors: int) -> int:
    """Threads that share a head: a power of two, so that they can sum by a butterfly."""
    return min(1 << (num_vectors - 1).bit_length(), WARP_THREADS)


def rotation_table(rope: Rope, head_dim: int, max_model_len: int) -> FloatArray:
    """cos and sin of every pair at every position: [max_model_len, head_dim / 2, 2]."""
    half = head_dim // 2
    table = np.empty((max_model_len, half, 2), np.float32)
    for first in range(0, max_model_len, _POSITIONS_PER_PIECE):
        piece = table[first : first + _POSITIONS_PER_PIECE]
        positions = np.arange(first, first + len(piece), dtype=np.int32)
        cos, sin = rotation(rope, head_dim, positions)
        piece[..., 0], piece[..., 1] = cos[:, half:], sin[:, half:]
    return table
