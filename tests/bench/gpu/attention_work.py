"""Attention of one layer: single tokens over long contexts, and whole prompts in tiles.

Every call of single tokens attends to the contexts of other sequences, so that no cache holds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from forge_worker.cuda.attention import PagedAttention, workspace_bytes
from forge_worker.cuda.attention_plan import tile_shape
from forge_worker.cuda.attention_split import AttentionLimits
from forge_worker.cuda.device_step import DeviceStep, StepShape
from forge_worker.cuda.layout import EngineSizes
from forge_worker.cuda.precision import Precision
from forge_worker.ops.protocol import Array, KVLayer
from tests.bench.gpu.operands import Case, Store
from tests.worker.cuda.arrays import on_device

PRECISION = Precision.BFLOAT16


class AttentionOperands:
    """One layer's cache, for `max_sequences` contexts of `context` tokens or one of `longest`."""

    def __init__(self, store: Store, sizes: EngineSizes, lengths: Sequence[int]) -> None:
        """`lengths`: of the contexts of single tokens, and of the longest prompt."""
        self.context, self.longest = lengths
        device = self.device = store.device
        self.geometry = sizes.geometry
        self.max_sequences = sizes.limits.max_batch_size
        limits = AttentionLimits(self.max_sequences, max(lengths))
        num_bytes = workspace_bytes(device.info, PRECISION, self.geometry, limits)
        workspace = device.allocate(num_bytes)
        self.attention = PagedAttention(device, PRECISION, self.geometry, limits, workspace)
        self.kv_layer = self._kv_layer(store)
        self.query_width = self.geometry.num_heads * self.geometry.head_dim
        num_tokens = max(self.longest, self.max_sequences)
        self.query = store.pool(PRECISION, num_tokens * self.query_width)
        self.out = store.pool(PRECISION, num_tokens * self.query_width)

    def integers(self, values: npt.ArrayLike, dtype: type = np.int32) -> Array:
        return on_device(self.device, np.asarray(values, dtype))

    def blocks_of(self, num_tokens: int) -> int:
        return -(-num_tokens // self.geometry.block_size)

    def block_tables(self) -> np.ndarray:
        """A row a sequence."""
        width = self.blocks_of(self.context)
        return np.arange(self.max_sequences * width, dtype=np.int32).reshape(-1, width)

    def run(self, step: DeviceStep) -> None:
        shape = (step.shape.num_tokens, self.query_width)
        query, out = self.query.array(shape), self.out.array(shape)
        self.attention(query, step, self.kv_layer, None, out)

    def prompt_step(self, num_tokens: int) -> DeviceStep:
        """One sequence, all of whose tokens are new."""
        return _tile_step(self, num_tokens)

    def _kv_layer(self, store: Store) -> KVLayer:
        geometry = self.geometry
        num_blocks = max(
            self.max_sequences * self.blocks_of(self.context), self.blocks_of(self.longest)
        )
        shape = (num_blocks, geometry.num_kv_heads, geometry.block_size, geometry.head_dim)
        size = int(np.prod(shape))
        keys, values = (store.pool(PRECISION, size).array(shape) for _ in range(2))
        return KVLayer(keys, values)


def single_cases(operands: AttentionOperands, batch_sizes: Sequence[int]) -> Iterator[Case]:
    geometry, context = operands.geometry, operands.context
    tables = operands.integers(operands.block_tables())
    rows = operands.integers(np.arange(operands.max_sequences))
    token_bytes = 2 * geometry.num_kv_heads * geometry.head_dim * PRECISION.element_bytes
    for size in batch_sizes:
        step = _single_step(operands, size, tables, rows)
        num_groups = operands.max_sequences // size

        def work(
            number: int, step: DeviceStep = step, size: int = size, num_groups: int = num_groups
        ) -> None:
            first = number % num_groups * size
            operands.run(step._replace(sequence_rows=rows[first : first + size]))

        yield Case(
            f"attention_single, batch {size}, context {context}",
            work,
            size * context * token_bytes,
        )


def tile_cases(operands: AttentionOperands, prompt_lens: Sequence[int]) -> Iterator[Case]:
    geometry = operands.geometry
    num_sums = geometry.num_heads * geometry.head_dim
    for num_tokens in prompt_lens:
        step = operands.prompt_step(num_tokens)

        def work(number: int, step: DeviceStep = step) -> None:
            operands.run(step)

        yield Case(
            f"attention_tile, {num_tokens} tokens",
            work,
            num_bytes=4 * num_tokens * num_sums,  # queries and what they attended to
            num_flops=2 * num_sums * num_tokens**2,  # half of the pairs, two products
        )


def _single_step(operands: AttentionOperands, size: int, tables: Array, rows: Array) -> DeviceStep:
    integers, context = operands.integers, operands.context
    return DeviceStep(
        shape=StepShape(size, size, size, size, 0),
        counts=integers([size, size, size, 0]),
        token_ids=integers([0] * size),
        positions=integers([context - 1] * size),
        slots=integers([0] * size, np.int64),
        sequence_rows=rows[:size],
        query_starts=integers(np.arange(size + 1)),
        context_lens=integers([context] * size),
        block_tables=tables,
        singles=integers(np.arange(size)),
        tiles=integers([[0, 0]])[:0],
        logit_rows=integers(np.arange(size)),
    )


def _tile_step(operands: AttentionOperands, num_tokens: int) -> DeviceStep:
    integers, queries = operands.integers, tile_shape(operands.geometry).queries
    tiles = [(0, first) for first in range(0, num_tokens, queries)][::-1]  # most keys first
    return DeviceStep(
        shape=StepShape(num_tokens, 1, 1, 0, len(tiles)),
        counts=integers([num_tokens, 1, 1, 0]),
        token_ids=integers([0] * num_tokens),
        positions=integers(np.arange(num_tokens)),
        slots=integers(np.arange(num_tokens), np.int64),
        sequence_rows=integers([0]),
        query_starts=integers([0, num_tokens]),
        context_lens=integers([num_tokens]),
        block_tables=integers(np.arange(operands.blocks_of(num_tokens))[None]),
        singles=integers([0])[:0],
        tiles=integers(tiles),
        logit_rows=integers([num_tokens - 1]),
    )
