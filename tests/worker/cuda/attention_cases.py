"""Steps over a paged cache for the tests of attention, and what float64 says of them.

All that a kernel must not look at is NaN: cached rows beyond a context, blocks of nobody, padding.
Arrays have no element too many, so that on the emulator one step too far is a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from forge_worker.cuda.attention import PagedAttention, workspace_bytes
from forge_worker.cuda.attention_plan import AttentionGeometry, AttentionPlanner
from forge_worker.cuda.attention_split import AttentionLimits
from forge_worker.cuda.device import Device
from forge_worker.cuda.device_step import DeviceStep, StepShape
from forge_worker.cuda.precision import Precision
from forge_worker.ops.protocol import Array, KVLayer
from tests.worker.cuda.arrays import empty_on, on_device, to_host
from tests.worker.cuda.cached_tiles import coded_by_powers, in_tiles

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

# The largest error of one rounding; in float32 many add up, and so do those of the exponential.
_ROUNDING = {
    Precision.BFLOAT16: 2.0**-8,
    Precision.FLOAT16: 2.0**-11,
    Precision.FLOAT32: 2.0**-20,
}


class Chunk(NamedTuple):
    """What one sequence runs in a step; one token is a chunk too."""

    num_queries: int
    context_len: int  # with these


class Padding(NamedTuple):
    """What a graph is launched for beyond what is live."""

    tokens: int = 0
    sequences: int = 0


class Expected(NamedTuple):
    """[num_tokens, num_heads * head_dim] each"""

    attended: Doubles
    magnitude: Doubles  # the same sum of absolute values: what errors are measured by


def is_untouched(out: npt.NDArray[Any]) -> bool:
    """It still holds the poison of arrays.empty_on, which no kernel computes."""
    return bool((np.ascontiguousarray(out).view(np.uint8) == 0xFF).all())


class AttentionCase:
    """Random queries and cache of some sequences; the same ones for the same seed."""

    def __init__(
        self,
        precision: Precision,
        geometry: AttentionGeometry,
        chunks: Sequence[Chunk],
        seed: int = 0,
    ) -> None:
        self.precision = precision
        self.geometry = geometry
        self.chunks = list(chunks)
        self._rng = np.random.default_rng(seed)
        width = (geometry.num_heads + 2 * geometry.num_kv_heads) * geometry.head_dim
        num_tokens = sum(chunk.num_queries for chunk in chunks)
        self.qkv = self._random((num_tokens, width))
        self.contexts = [self._context(chunk.context_len) for chunk in chunks]

    @property
    def num_tokens(self) -> int:
        return len(self.qkv)

    def only(self, index: int, rows: slice = slice(None)) -> AttentionCase:
        """One of the sequences, with some of its queries and the context up to the last of them."""
        chunk = self.chunks[index]
        first = sum(other.num_queries for other in self.chunks[:index])
        begin, end, _ = rows.indices(chunk.num_queries)
        context_len = chunk.context_len - chunk.num_queries + end
        case = AttentionCase(self.precision, self.geometry, [Chunk(end - begin, context_len)])
        case.qkv = self.qkv[first + begin : first + end]
        case.contexts = [KVLayer(*(part[:context_len] for part in self.contexts[index]))]
        return case

    def forget_before(self, window: int) -> None:
        """What no query sees in this window becomes NaN in the cache."""
        for chunk, context in zip(self.chunks, self.contexts, strict=True):
            first = max(0, chunk.context_len - chunk.num_queries + 1 - window)
            for part in context:
                part[:first] = self.precision.rounded(np.full(part[:first].shape, np.nan))

    def make_keys_equal(self) -> None:
        """So all that a query sees weighs the same; the first half of a context holds ones, the
        second zeros."""
        for keys, values in self.contexts:
            keys[:] = keys[:1]
            ones = np.arange(len(values)) < len(values) // 2
            values[:] = self.precision.rounded(ones.astype(np.float32))[:, None, None]

    def expected(self, window: int | None = None) -> Expected:
        ends = np.cumsum([chunk.num_queries for chunk in self.chunks])
        parts = [
            self._attended(slice(end - chunk.num_queries, end), chunk, context, window)
            for chunk, context, end in zip(self.chunks, self.contexts, ends, strict=True)
        ]
        return Expected(*map(np.concatenate, zip(*parts, strict=True)))

    def assert_close(self, out: npt.NDArray[Any], window: int | None = None) -> None:
        """Twice a rounding: of weights, and of the result."""
        expected = self.expected(window)
        error = np.abs(self._wide(out) - expected.attended)
        allowed = 2.1 * _ROUNDING[self.precision] * expected.magnitude + 1e-7
        worst = np.unravel_index(np.argmax(error / allowed), error.shape)
        assert (error <= allowed).all(), (
            f"token and number {worst}: {error[worst]} is wrong by more than {allowed[worst]}"
        )

    def _attended(
        self, rows: slice, chunk: Chunk, context: KVLayer, window: int | None
    ) -> Expected:
        geometry = self.geometry
        shape = (chunk.num_queries, geometry.num_heads, geometry.head_dim)
        query = self._wide(self.qkv[rows, : shape[1] * shape[2]]).reshape(shape)
        keys, values = (
            np.nan_to_num(self._wide(part)).repeat(geometry.group, axis=1) for part in context
        )
        scores = np.einsum("qhd,khd->hqk", query, keys)
        scores *= geometry.scale or geometry.head_dim**-0.5
        if geometry.softcap is not None:
            scores = geometry.softcap * np.tanh(scores / geometry.softcap)
        scores = np.where(_is_seen(chunk, window), scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True, initial=-1e300))
        weights /= weights.sum(axis=-1, keepdims=True)
        attended = np.einsum("hqk,khd->qhd", weights, values)
        magnitude = np.einsum("hqk,khd->qhd", weights, np.abs(values))
        return Expected(attended.reshape(len(query), -1), magnitude.reshape(len(query), -1))

    def _context(self, context_len: int) -> KVLayer:
        """Of one sequence, token by token: each [context_len, num_kv_heads, head_dim]."""
        shape = (context_len, self.geometry.num_kv_heads, self.geometry.head_dim)
        return KVLayer(self._cached(shape), self._cached(shape))

    def _cached(self, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """Numbers that the cache's format has."""
        kv, rows = self.geometry.kv, self._random(shape)
        if kv == "computed":
            return rows
        return self.precision.rounded(coded_by_powers(self.precision.widened(rows), kv).numbers(kv))

    def _random(self, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        return self.precision.rounded(self._rng.standard_normal(shape, np.float32))

    def _wide(self, array: npt.NDArray[Any]) -> Doubles:
        wide: Doubles = self.precision.widened(array).astype(np.float64)
        return wide


def _is_seen(chunk: Chunk, window: int | None) -> npt.NDArray[np.bool_]:
    """[queries, keys]"""
    positions = np.arange(chunk.context_len - chunk.num_queries, chunk.context_len)[:, None]
    key_positions = np.arange(chunk.context_len)
    is_seen = key_positions <= positions
    return is_seen if window is None else is_seen & (key_positions > positions - window)


class PlacedCase:
    """A case on a device: blocks anywhere in the cache, sequences anywhere in the tables."""

    def __init__(
        self,
        device: Device,
        case: AttentionCase,
        padding: Padding | None = None,
        *,
        has_singles: bool = True,
    ) -> None:
        self._device = device
        self._planner = AttentionPlanner(case.geometry, has_singles)
        self._case = case
        self._padding = padding or Padding()
        rng = np.random.default_rng(7)
        tables = _block_tables(case, rng)
        self.kv_layer = KVLayer(*(on_device(device, part) for part in _cache(case, tables)))
        self.step = self._step(tables, rng.permutation(len(tables)).astype(np.int32))
        self.query = on_device(device, self._rows_with_padding())

    def run(self, window: int | None = None, split_size: int | None = None) -> npt.NDArray[Any]:
        """The output [num_tokens, num_heads * head_dim]."""
        out = self.empty_out()
        self.attention(split_size)(self.query, self.step, self.kv_layer, window, out)
        return to_host(self._device, out)

    def attention(self, split_size: int | None = None) -> PagedAttention:
        case = self._case
        longest = max(chunk.context_len for chunk in case.chunks)
        limits = AttentionLimits(self.step.shape.num_tokens, max(longest, 1), split_size)
        num_bytes = workspace_bytes(self._device.info, case.precision, case.geometry, limits)
        workspace = empty_on(self._device, (num_bytes,), np.uint8)
        return PagedAttention(self._device, case.precision, case.geometry, limits, workspace)

    def empty_out(self) -> Array:
        geometry = self._case.geometry
        shape = (self.step.shape.num_tokens, geometry.num_heads * geometry.head_dim)
        return empty_on(self._device, shape, self._case.precision.dtype)

    def _rows_with_padding(self) -> npt.NDArray[Any]:
        qkv = self._case.qkv
        nan = np.full((self._padding.tokens, qkv.shape[1]), np.nan, np.float32)
        return np.concatenate([qkv, self._case.precision.rounded(nan)])

    def _step(self, tables: Ints, rows: Ints) -> DeviceStep:
        """Sequence i has the row rows[i] in the tables of the step."""
        chunks, padding = self._case.chunks, self._padding
        query_lens, context_lens = (np.array(lens, np.int32) for lens in zip(*chunks, strict=True))
        work = self._planner.plan(query_lens, context_lens)
        num_sequences = len(chunks) + padding.sequences
        singles = np.concatenate([work.singles, range(len(chunks), num_sequences)])
        num_tokens = self._case.num_tokens + padding.tokens
        shape = StepShape(num_tokens, num_sequences, 0, len(singles), len(work.tiles))
        starts = np.cumsum([0, *query_lens])
        spans = zip(context_lens - query_lens, context_lens, strict=True)
        positions = np.concatenate([np.arange(first, end) for first, end in spans])
        arrays: dict[str, npt.NDArray[Any]] = {
            "counts": np.array([self._case.num_tokens, len(chunks), 0, 0]),
            "token_ids": np.zeros(num_tokens),
            "positions": np.pad(positions, (0, padding.tokens)),
            "sequence_rows": np.pad(rows, (0, padding.sequences)),
            "query_starts": np.pad(starts, (0, padding.sequences), "edge"),
            "context_lens": np.pad(context_lens, (0, padding.sequences)),
            "block_tables": tables[np.argsort(rows)],
            "singles": singles,
            "tiles": work.tiles,
            "logit_rows": np.zeros(0),
        }
        placed = {name: on_device(self._device, a.astype(np.int32)) for name, a in arrays.items()}
        slots = on_device(self._device, np.zeros(num_tokens, np.int64))
        return DeviceStep(shape=shape, slots=slots, **placed)


def _block_tables(case: AttentionCase, rng: np.random.Generator) -> Ints:
    """[num_sequences, max_blocks]; what lies beyond a sequence's own names no block."""
    counts = _num_blocks(case)
    ids = rng.permutation(sum(counts) + 1).tolist()  # and a block of nobody
    tables = np.full((len(counts), max(1, *counts)), np.iinfo(np.int32).max, np.int32)
    for table, count in zip(tables, counts, strict=True):
        table[:count] = [ids.pop() for _ in range(count)]
    return tables


def _cache(case: AttentionCase, tables: Ints) -> list[npt.NDArray[Any]]:
    geometry = case.geometry
    size = geometry.block_size
    shape = (sum(_num_blocks(case)) + 1, geometry.num_kv_heads, size, geometry.head_dim)
    cached = [case.precision.rounded(np.full(shape, np.nan, np.float32)) for _ in range(2)]
    for table, context in zip(tables, case.contexts, strict=True):
        for target, tokens in zip(cached, context, strict=True):
            for first in range(0, len(tokens), size):
                piece = tokens[first : first + size]
                target[table[first // size], :, : len(piece)] = piece.transpose(1, 0, 2)
    if geometry.kv == "computed":
        return cached
    tiles, widened = geometry.tiles(case.precision), case.precision.widened
    return [in_tiles(coded_by_powers(widened(part), geometry.kv), tiles) for part in cached]


def _num_blocks(case: AttentionCase) -> list[int]:
    return [-(-chunk.context_len // case.geometry.block_size) for chunk in case.chunks]
