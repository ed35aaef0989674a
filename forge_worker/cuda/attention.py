"""PagedAttention: causal attention over the paged cache, for any mix of chunks and single tokens.

Three kernels share the work. On tensor cores, sequences with one token go to attention_single and
chunks to attention_tile; in float32, and for heads that tensor cores cannot cut, attention_scalar
takes every token on its own. Knows sizes, not models; what a step is stands in DeviceStep.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from forge_worker.cuda.attention_plan import (
    AttentionGeometry,
    heads_per_block,
    tile_shape,
    uses_tensor_cores,
)
from forge_worker.cuda.attention_split import AttentionLimits, Splitting
from forge_worker.cuda.device import Argument, Device, DeviceInfo, Kernel, KernelSource
from forge_worker.cuda.device_step import DeviceStep
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.shapes import require
from forge_worker.ops.protocol import Array, KVLayer

_THREADS = 128
_WARPS = 4
_LANE_NUMBERS = 8  # of a head, in attention_scalar
_HEAD_TILE = 8  # in attention_single
_SOFTMAX_BYTES = 8  # highest score and sum of weights
_MAX_INT = np.iinfo(np.int32).max
_MAX_HEAD_DIM = 256


class AttentionSources(NamedTuple):
    alone: KernelSource  # for tokens that attend on their own
    tile: KernelSource | None  # for chunks; None where all tokens attend on their own


def attention_sources(precision: Precision, geometry: AttentionGeometry) -> AttentionSources:
    common: tuple[tuple[str, int | str], ...] = (
        ("ELEMENT", precision.kernel_type),
        ("CACHED", geometry.tiles(precision).kernel_type),
        ("HEAD_DIM", geometry.head_dim),
        ("GROUP", geometry.group),
        ("BLOCK_SIZE", geometry.block_size),
        ("HAS_SOFTCAP", int(geometry.softcap is not None)),
    )
    heads = ("HEADS", heads_per_block(precision, geometry))
    if not uses_tensor_cores(precision, geometry):
        return AttentionSources(KernelSource("attention_scalar.cu", (*common, heads)), None)
    shape = tile_shape(geometry)
    tile = ("ROWS", shape.rows), ("QUERIES", shape.queries), ("KEYS", shape.keys)
    return AttentionSources(
        KernelSource("attention_single.cu", (*common, heads)),
        KernelSource("attention_tile.cu", (*common, *tile)),
    )


def workspace_bytes(
    info: DeviceInfo, precision: Precision, geometry: AttentionGeometry, limits: AttentionLimits
) -> int:
    splitting = _splitting(info, precision, geometry, limits)
    return splitting.workspace(geometry.num_heads, geometry.head_dim).num_bytes


class PagedAttention:
    """Layers may share one; `workspace`, uint8, is nobody else's between launches either."""

    def __init__(
        self,
        device: Device,
        precision: Precision,
        geometry: AttentionGeometry,
        limits: AttentionLimits,
        workspace: Array,
    ) -> None:
        _check(geometry)
        self._precision = precision
        self._geometry = geometry
        self._tiles = geometry.tiles(precision)
        self._limits = limits
        self._scoring = _scoring(geometry)
        sources = attention_sources(precision, geometry)
        self._alone = _single_kernel(device, sources.alone)
        self._tile = None if sources.tile is None else _single_kernel(device, sources.tile)
        self._heads_per_block = heads_per_block(precision, geometry)
        self._splitting = _splitting(device.info, precision, geometry, limits)
        self._workspace = self._sections(workspace)
        device.fill_zero(self._workspace[0])

    def __call__(
        self,
        query: Array,
        step: DeviceStep,
        kv_layer: KVLayer,
        window: int | None,
        out: Array,
    ) -> None:
        """Queue the attention of a step's tokens.

        query: [num_tokens, at least num_heads * head_dim], of which the rest is not read.
        kv_layer: as KVTiles has it, this step's tokens among it.
        window: the most keys a token sees, itself among them. out: [num_tokens, num_heads *
        head_dim]; rows that are not live are not written.
        """
        self._check_arrays(query, step, kv_layer, out)
        shape = step.shape
        tensors = (query, np.int32(query.shape[1]), kv_layer.keys, kv_layer.values, out)
        tables = (step.sequence_rows, step.block_tables, np.int32(step.block_tables.shape[1]))
        numbers = (np.int32(_MAX_INT if window is None else window), *self._scoring)
        if self._tile is None:
            live = (step.counts, step.positions, step.query_starts)
            self._launch_alone(shape.num_tokens, (*tensors, *live, *tables, *numbers))
            return
        lengths = (step.query_starts, step.context_lens)
        if shape.num_tiles:
            tiles = (step.counts, step.tiles, *lengths)
            self._launch_tiles(self._tile, shape.num_tiles, (*tensors, *tiles, *tables, *numbers))
        if shape.num_singles:
            singles = (step.counts, step.singles, *lengths)
            self._launch_alone(shape.num_singles, (*tensors, *singles, *tables, *numbers))

    def _launch_alone(self, num_rows: int, args: tuple[Argument, ...]) -> None:
        if num_rows > self._limits.max_rows:
            raise ValueError(f"{num_rows} rows attend, not at most {self._limits.max_rows}")
        splits = self._splitting.of(num_rows)
        heads = self._heads_per_block
        grid = (num_rows, self._geometry.num_heads // heads, splits.num_blocks)
        limits = (np.int32(splits.min_tokens), np.int32(splits.max_splits))
        shared_bytes = self._shared_bytes_alone(splits.max_splits)
        self._alone(grid, (_THREADS, 1, 1), (*args, *limits, *self._workspace), shared_bytes)

    def _launch_tiles(self, kernel: Kernel, num_tiles: int, args: tuple[Argument, ...]) -> None:
        grid = (self._geometry.num_kv_heads, num_tiles, 1)
        shape = tile_shape(self._geometry)
        row_bytes = (self._geometry.head_dim + 8) * self._precision.element_bytes
        waiting_bytes = 0 if self._tiles.kv == "computed" else shape.keys * self._geometry.head_dim
        shared_bytes = (shape.rows + 2 * shape.keys) * row_bytes + waiting_bytes
        kernel(grid, (_THREADS, 1, 1), args, shared_bytes)

    def _shared_bytes_alone(self, max_splits: int) -> int:
        """Queries and what the parts of a block leave, or later what is known of a row's splits."""
        heads, head_dim = self._heads_per_block, self._geometry.head_dim
        if self._tile is None:
            query_bytes = 0
            num_parts = _THREADS // (1 << (head_dim // _LANE_NUMBERS - 1).bit_length())
        else:
            padded_heads = -(-heads // _HEAD_TILE) * _HEAD_TILE
            query_bytes = padded_heads * (head_dim + 32) * self._precision.element_bytes
            num_parts = _WARPS
        part_bytes = heads * (4 * head_dim + _SOFTMAX_BYTES)
        return max(query_bytes + num_parts * part_bytes, max_splits * heads * _SOFTMAX_BYTES)

    def _sections(self, workspace: Array) -> tuple[Array, Array, Array]:
        sizes = self._splitting.workspace(self._geometry.num_heads, self._geometry.head_dim)
        require("workspace", workspace, (sizes.num_bytes,), np.uint8)
        attended = sizes.counters + sizes.softmax
        return (
            workspace[: sizes.counters],
            workspace[sizes.counters : attended],
            workspace[attended:],
        )

    def _check_arrays(self, query: Array, step: DeviceStep, kv_layer: KVLayer, out: Array) -> None:
        geometry, dtype = self._geometry, self._precision.dtype
        num_tokens, width = step.shape.num_tokens, geometry.num_heads * geometry.head_dim
        require("query", query, (num_tokens, max(width, query.shape[1])), dtype)
        require("out", out, (num_tokens, width), dtype)
        cached_shape = self._tiles.shape(kv_layer.keys.shape[0])
        for name, cached in zip(KVLayer._fields, kv_layer, strict=True):
            require(name, cached, cached_shape, self._tiles.dtype)


def _single_kernel(device: Device, source: KernelSource) -> Kernel:
    return device.kernels(source)[source.file.removesuffix(".cu")]


def _splitting(
    info: DeviceInfo, precision: Precision, geometry: AttentionGeometry, limits: AttentionLimits
) -> Splitting:
    num_head_sets = geometry.num_heads // heads_per_block(precision, geometry)
    return Splitting(limits, num_head_sets, info.num_multiprocessors)


def _scoring(geometry: AttentionGeometry) -> tuple[Any, Any]:
    """The arguments `scale` and `cap`, see Scoring in kernels/attention.cuh."""
    scale = geometry.scale or 1 / math.sqrt(geometry.head_dim)
    if geometry.softcap is None:
        return np.float32(scale * math.log2(math.e)), np.float32(0)
    return np.float32(scale / geometry.softcap), np.float32(geometry.softcap * math.log2(math.e))


def _check(geometry: AttentionGeometry) -> None:
    if geometry.head_dim % _LANE_NUMBERS or geometry.head_dim > _MAX_HEAD_DIM:
        raise ValueError(f"No kernel for heads of {geometry.head_dim} numbers")
    if geometry.num_kv_heads * geometry.block_size * geometry.head_dim > _MAX_INT:
        raise ValueError(f"Blocks of {geometry.block_size} tokens are too large to be indexed")
    if geometry.num_heads % geometry.num_kv_heads:
        raise ValueError(f"{geometry.num_heads} heads cannot share {geometry.num_kv_heads}")
