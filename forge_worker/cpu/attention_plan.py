"""Who attends to what in one step: computed once, used by every layer.

Cached tokens are gathered in granules: runs of neighbouring slots that divide a block evenly, so
that small blocks are copied whole, and of one huge block only what the context needs. Single tokens
are grouped by context length into gathers of bounded size; a chunk is cut into tiles of queries.
Knows indices, not keys, values or heads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from forge_worker.forward_inputs import FloatArray, ForwardInputs, IntArray

Indices = npt.NDArray[np.int64]

MAX_GRANULE = 16
TOKENS_PER_GATHER = 256  # about what stays in a core's cache while it is worked on
GRANULES_PER_PIECE = 64
QUERIES_PER_TILE = 64


class DecodePiece(NamedTuple):
    """One gather of keys; all of the context but for a long one."""

    granules: Indices  # [n, num_granules]
    mask: FloatArray  # [n, num_granules * granule]: 0 where visible, -inf elsewhere


class DecodeGroup(NamedTuple):
    """Single tokens of several sequences, or of one whose context needs several gathers."""

    rows: Indices  # [n] in the step's tokens
    pieces: tuple[DecodePiece, ...]


class ChunkTile(NamedTuple):
    """Neighbouring queries of one sequence, and the keys that any of them sees."""

    rows: slice  # in the step's tokens
    keys: slice  # in the gathered keys of the chunk
    masked: slice  # of those keys, the ones that not every query sees
    mask: FloatArray  # [queries, masked keys]: 0 where visible, -inf elsewhere


class Chunk(NamedTuple):
    granules: Indices  # [num_granules]
    tiles: tuple[ChunkTile, ...]


class AttentionPlan(NamedTuple):
    granule: int
    decode_groups: tuple[DecodeGroup, ...]
    chunks: tuple[Chunk, ...]


def plan_attention(inputs: ForwardInputs, block_size: int, window: int | None) -> AttentionPlan:
    granule = math.gcd(block_size, MAX_GRANULE)
    query_lens = np.diff(inputs.query_starts)
    single = np.flatnonzero(query_lens == 1)
    planner = _Planner(inputs, block_size, granule, window)
    return AttentionPlan(
        granule,
        tuple(planner.decode_group(group) for group in planner.groups(single)),
        tuple(planner.chunk(int(sequence)) for sequence in np.flatnonzero(query_lens > 1)),
    )


class _Planner:
    def __init__(
        self, inputs: ForwardInputs, block_size: int, granule: int, window: int | None
    ) -> None:
        self.inputs = inputs
        self.block_size = block_size
        self.granule = granule
        self.window = window

    def groups(self, single: Indices) -> Iterator[Indices]:
        """Sequences of like context lengths, as many as a gather may hold, at least one."""
        spans = self._spans(self.inputs.context_lens[single])
        order = np.argsort(spans, kind="stable")
        begin = 0
        for end in range(1, len(order) + 1):
            is_last = end == len(order)
            if is_last or spans[order[end]] * (end + 1 - begin) > TOKENS_PER_GATHER:
                yield single[order[begin:end]]
                begin = end

    def decode_group(self, sequences: Indices) -> DecodeGroup:
        context_lens = self.inputs.context_lens[sequences].astype(np.int64)
        first = self._first_granules(context_lens)
        num_granules = int((-(-context_lens // self.granule) - first).max())
        logical = first[:, None] + np.arange(num_granules)
        positions = first[:, None] * self.granule + np.arange(num_granules * self.granule)
        low = np.zeros_like(context_lens) if self.window is None else context_lens - self.window
        visible = (positions < context_lens[:, None]) & (positions >= low[:, None])
        granules = self._granules(sequences[:, None], logical, context_lens[:, None])
        pieces = _cut(granules, _as_mask(visible))
        return DecodeGroup(self.inputs.query_starts[sequences].astype(np.int64), tuple(pieces))

    def chunk(self, sequence: int) -> Chunk:
        """Gathers from the first granule that the chunk's first query sees."""
        begin, end = self.inputs.query_starts[sequence : sequence + 2].tolist()
        context_len = int(self.inputs.context_lens[sequence])
        first_context_len = np.asarray(context_len - (end - begin) + 1)
        first = int(self._first_granules(first_context_len))
        logical = np.arange(first, -(-context_len // self.granule))
        tiles = (
            self._tile(slice(tile, min(tile + QUERIES_PER_TILE, end)), first * self.granule)
            for tile in range(begin, end, QUERIES_PER_TILE)
        )
        granules = self._granules(np.asarray(sequence), logical, np.asarray(context_len))
        return Chunk(granules, tuple(tiles))

    def _tile(self, rows: slice, first_position: int) -> ChunkTile:
        positions = self.inputs.positions[rows]
        low = 0 if self.window is None else int(positions[0]) - self.window + 1
        begin, end = max(low - first_position, 0), int(positions[-1]) + 1 - first_position
        first_masked = 0 if self.window is not None else int(positions[0]) + 1 - first_position
        key_positions = np.arange(begin + first_masked, end) + first_position
        visible = key_positions <= positions[:, None]
        if self.window is not None:
            visible &= key_positions > positions[:, None] - self.window
        return ChunkTile(rows, slice(begin, end), slice(first_masked, None), _as_mask(visible))

    def _spans(self, context_lens: IntArray) -> IntArray:
        return context_lens if self.window is None else np.minimum(context_lens, self.window)

    def _first_granules(self, context_lens: Indices) -> Indices:
        """The granule of the first key that the query at the end of each context sees."""
        low = np.zeros_like(context_lens) if self.window is None else context_lens - self.window
        return np.maximum(low, 0) // self.granule

    def _granules(self, sequences: Indices, logical: Indices, context_lens: Indices) -> Indices:
        """Places of logical granules in the cache; beyond the context, any that may be read."""
        last = (context_lens - 1) // self.granule
        logical = np.minimum(logical, last)
        per_block = self.block_size // self.granule
        blocks = self.inputs.block_tables[sequences, logical // per_block].astype(np.int64)
        return blocks * per_block + logical % per_block


def _cut(granules: Indices, mask: FloatArray) -> Iterator[DecodePiece]:
    granule = mask.shape[1] // granules.shape[1]
    for begin in range(0, granules.shape[1], GRANULES_PER_PIECE):
        end = begin + GRANULES_PER_PIECE
        yield DecodePiece(granules[:, begin:end], mask[:, begin * granule : end * granule])


def _as_mask(visible: npt.NDArray[np.bool_]) -> FloatArray:
    return np.where(visible, np.float32(0), np.float32(-np.inf))
