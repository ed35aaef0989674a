"""Steps over a paged cache for the tests of attention, and what float64 says of them.

All that a kernel must not look at is NaN: cached rows beyond a context, and blocks of nobody. Sizes
of arrays are exact, so that on the emulator one element too far is a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from forge_worker.cuda.attention import PagedAttention, workspace_bytes
from forge_worker.cuda.attention_plan import AttentionGeometry, plan_work
from forge_worker.cuda.attention_split import AttentionLimits
from forge_worker.cuda.device import Device
from forge_worker.cuda.device_step import DeviceStep, StepShape
from forge_worker.cuda.precision import Precision
from forge_worker.ops.protocol import Array, KVLayer
from tests.worker.cuda.arrays import empty_on, on_device, to_host

Doubles = npt.NDArray[np.float64]


class Sequence_(NamedTuple):
    """What one sequence does in a step."""

    num_queries: int
    context_len: int  # with these queries


class Padding(NamedTuple):
    """Rows a graph is launched for beyond those that are live."""

    tokens: int = 0
    sequences: int = 0


NO_PADDING = Padding()


class AttentionCase:
    """Random queries and cache of some sequences; the same ones for the same seed."""

    def __init__(
        self,
        precision: Precision,
        geometry: AttentionGeometry,
        sequences: Sequence[Sequence_],
        seed: int = 0,
    ) -> None:
        self.precision = precision
        self.geometry = geometry
        self.sequences = list(sequences)
        self._rng = np.random.default_rng(seed)
        self.num_tokens = sum(sequence.num_queries for sequence in sequences)
        width = (geometry.num_heads + 2 * geometry.num_kv_heads) * geometry.head_dim
        self.qkv = self._random((self.num_tokens, width))
        self.contexts = [self._context(sequence.context_len) for sequence in sequences]

    def expected(self, window: int | None = None) -> Doubles:
        """[num_tokens, num_heads * head_dim]"""
        ends = np.cumsum([sequence.num_queries for sequence in self.sequences])
        parts = []
        for sequence, context, end in zip(self.sequences, self.contexts, ends, strict=True):
            rows = slice(end - sequence.num_queries, end)
            parts.append(self._attended(rows, sequence.context_len, context, window))
        return np.concatenate(parts)

    def _attended(
        self, rows: slice, context_len: int, context: KVLayer, window: int | None
    ) -> Doubles:
        geometry = self.geometry
        width = geometry.num_heads * geometry.head_dim
        query = self._wide(self.qkv[rows, :width]).reshape(
            -1, geometry.num_heads, geometry.head_dim
        )
        keys, values = (self._wide(part).repeat(geometry.group, axis=1) for part in context)
        scores = np.einsum("qhd,khd->hqk", query, keys)
        scores *= geometry.scale or geometry.head_dim**-0.5
        if geometry.softcap is not None:
            scores = geometry.softcap * np.tanh(scores / geometry.softcap)
        positions = np.arange(context_len - len(query), context_len)[:, None]
        key_positions = np.arange(context_len)
        is_seen = key_positions <= positions
        if window is not None:
            is_seen &= key_positions > positions - window
        weights = np.exp(np.where(is_seen, scores, -np.inf))
        weights /= weights.sum(axis=-1, keepdims=True)
        return np.einsum("hqk,khd->qhd", weights, values).reshape(len(query), width)

    def _context(self, context_len: int) -> KVLayer:
        """Of one sequence, token by token: each [context_len, num_kv_heads, head_dim]."""
        shape = (context_len, self.geometry.num_kv_heads, self.geometry.head_dim)
        return KVLayer(self._random(shape), self._random(shape))

    def _random(self, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        return self.precision.rounded(self._rng.standard_normal(shape, np.float32))

    def _wide(self, array: npt.NDArray[Any]) -> Doubles:
        return self.precision.widened(array).astype(np.float64)


class PlacedCase:
    """A case on a device. `window` is only what the kernels will be told: see `unseen_is_nan`."""

    def __init__(self, device: Device, case: AttentionCase, padding: Padding = NO_PADDING) -> None:
        self._device = device
        self._case = case
        self._padding = padding
        rng = np.random.default_rng(7)
        tables = _block_tables(case, rng)
        self.kv_layer = KVLayer(*(on_device(device, part) for part in _cache(case, tables)))
        rows = rng.permutation(len(tables)).astype(np.int32)
        shuffled = np.empty_like(tables)
        shuffled[rows] = tables
        self.step = self._step(shuffled, rows)
        qkv = np.full((case.num_tokens + padding.tokens, case.qkv.shape[1]), _NAN, np.float32)
        self.qkv = case.precision.rounded(qkv)
        self.qkv[: case.num_tokens] = case.qkv
        self.query = on_device(device, self.qkv)

    def run(
        self, window: int | None = None, split_size: int | None = None, times: int = 1
    ) -> npt.NDArray[Any]:
        """The output of all rows; those that nothing writes are NaN."""
        attention = self.attention(split_size)
        for _ in range(times):
            out = self.empty_out()
            attention(self.query, self.step, self.kv_layer, window, out)
        return to_host(self._device, out)

    def attention(self, split_size: int | None = None) -> PagedAttention:
        case = self._case
        longest = max(sequence.context_len for sequence in case.sequences)
        limits = AttentionLimits(self.step.shape.num_tokens, max(longest, 1), split_size)
        num_bytes = workspace_bytes(self._device.info, case.precision, case.geometry, limits)
        workspace = empty_on(self._device, (num_bytes,), np.uint8)
        return PagedAttention(self._device, case.precision, case.geometry, limits, workspace)

    def empty_out(self) -> Array:
        geometry = self._case.geometry
        shape = (self.step.shape.num_tokens, geometry.num_heads * geometry.head_dim)
        return empty_on(self._device, shape, self._case.precision.dtype)

    def _step(self, block_tables: npt.NDArray[np.int32], rows: npt.NDArray[np.int32]) -> DeviceStep:
        case, padding = self._case, self._padding
        query_lens = np.array([sequence.num_queries for sequence in case.sequences], np.int32)
        context_lens = np.array([sequence.context_len for sequence in case.sequences], np.int32)
        work = plan_work(query_lens, context_lens, case.geometry)
        starts = np.concatenate([[0], np.cumsum(query_lens)])
        positions = [
            np.arange(sequence.context_len - sequence.num_queries, sequence.context_len)
            for sequence in case.sequences
        ]
        num_sequences = len(query_lens) + padding.sequences
        num_tokens = case.num_tokens + padding.tokens
        padded = range(len(query_lens), num_sequences)
        singles = np.concatenate([work.singles, padded])
        shape = StepShape(num_tokens, num_sequences, 0, len(singles), len(work.tiles))
        arrays = {
            "counts": np.array([case.num_tokens, len(query_lens), 0, 0]),
            "token_ids": np.zeros(num_tokens),
            "positions": _padded(np.concatenate(positions), padding.tokens),
            "sequence_rows": _padded(rows, padding.sequences),
            "query_starts": np.concatenate([starts, [starts[-1]] * padding.sequences]),
            "context_lens": _padded(context_lens, padding.sequences),
            "block_tables": block_tables,
            "singles": singles,
            "tiles": work.tiles,
            "logit_rows": np.zeros(0),
        }
        placed = {name: on_device(self._device, a.astype(np.int32)) for name, a in arrays.items()}
        return DeviceStep(
            shape=shape, slots=on_device(self._device, np.zeros(0, np.int64)), **placed
        )


_NAN = np.float32(np.nan)


def _padded(values: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    return np.concatenate([values, np.zeros(count, values.dtype)])


def _block_tables(case: AttentionCase, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """[num_sequences, max_blocks]; what a sequence does not own names no block."""
    block_size = case.geometry.block_size
    counts = [-(-sequence.context_len // block_size) for sequence in case.sequences]
    ids = iter(rng.permutation(sum(counts) + 1).tolist())  # and a block of nobody
    tables = np.full((len(counts), max(1, *counts)), np.iinfo(np.int32).max, np.int32)
    for table, count in zip(tables, counts, strict=True):
        table[:count] = [next(ids) for _ in range(count)]
    return tables


def _cache(case: AttentionCase, tables: npt.NDArray[np.int32]) -> list[npt.NDArray[Any]]:
    geometry = case.geometry
    size = geometry.block_size
    num_blocks = sum(-(-sequence.context_len // size) for sequence in case.sequences) + 1
    shape = (num_blocks, geometry.num_kv_heads, size, geometry.head_dim)
    cached = [case.precision.rounded(np.full(shape, _NAN)) for _ in KVLayer._fields]
    for table, context in zip(tables, case.contexts, strict=True):
        for target, tokens in zip(cached, context, strict=True):
            for first in range(0, len(tokens), size):
                piece = tokens[first : first + size]
                target[table[first // size], :, : len(piece)] = piece.transpose(1, 0, 2)
    return cached
