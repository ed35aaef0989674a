"""Runs a model as the worker does, from plain token lists: blocks, slots, chunks and batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from forge_worker.forward_inputs import FloatArray, ForwardInputs
from forge_worker.kv_cache import KVCache, allocate_kv_cache
from forge_worker.models.registry import Model


@dataclass
class Work:
    """Tokens of one sequence to run in a step, after `num_computed` that already ran."""

    token_ids: list[int]
    num_computed: int
    block_table: list[int]

    @property
    def context_len(self) -> int:
        return self.num_computed + len(self.token_ids)


def make_inputs(works: Sequence[Work], block_size: int, all_rows: bool = True) -> ForwardInputs:
    positions = [np.arange(work.num_computed, work.context_len) for work in works]
    slots = [
        np.array(work.block_table)[place // block_size] * block_size + place % block_size
        for work, place in zip(works, positions, strict=True)
    ]
    tables = np.zeros((len(works), max(len(work.block_table) for work in works)), np.int32)
    for table, work in zip(tables, works, strict=True):
        table[: len(work.block_table)] = work.block_table
    starts = np.cumsum([0] + [len(work.token_ids) for work in works]).astype(np.int32)
    return ForwardInputs(
        token_ids=np.concatenate([work.token_ids for work in works]).astype(np.int32),
        positions=np.concatenate(positions).astype(np.int32),
        slot_mapping=np.concatenate(slots).astype(np.int64),
        query_starts=starts,
        context_lens=np.array([work.context_len for work in works], np.int32),
        block_tables=tables,
        logit_rows=np.arange(starts[-1], dtype=np.int32) if all_rows else starts[1:] - 1,
    )


def forward(model: Model, inputs: ForwardInputs, kv_cache: KVCache) -> FloatArray:
    """Logits of `inputs.logit_rows`: [num_logits, vocab_size]."""
    step = model.ops.begin_step(inputs, model.config, kv_cache.block_size)
    logits: FloatArray = model.logits(model.hidden(step, kv_cache))
    return logits.copy()  # the next call may write where they are


@dataclass
class Runner:
    """A model, a cache of shuffled blocks, and each sequence's tokens so far."""

    model: Model
    block_size: int = 16
    num_blocks: int = 64
    cache: KVCache = field(init=False)

    def __post_init__(self) -> None:
        config, ops = self.model.config, self.model.ops
        self.cache = allocate_kv_cache(config, ops, self.num_blocks, self.block_size)
        self.free = np.random.default_rng(0).permutation(self.num_blocks).tolist()
        self.tables: dict[int, list[int]] = {}
        self.computed: dict[int, int] = {}

    def step(self, batch: dict[int, list[int]]) -> dict[int, FloatArray]:
        """Run the next tokens of some sequences; logits of every position of each."""
        works = [self._work(sequence, token_ids) for sequence, token_ids in batch.items()]
        logits = forward(self.model, make_inputs(works, self.block_size), self.cache)
        ends = np.cumsum([len(token_ids) for token_ids in batch.values()])[:-1]
        return dict(zip(batch, np.split(logits, ends), strict=True))

    def greedy(self, prompts: dict[int, list[int]], num_tokens: int) -> dict[int, list[int]]:
        chosen: dict[int, list[int]] = {sequence: [] for sequence in prompts}
        batch = prompts
        for _ in range(num_tokens):
            logits = self.step(batch)
            for sequence in chosen:
                chosen[sequence].append(int(logits[sequence][-1].argmax()))
            batch = {sequence: token_ids[-1:] for sequence, token_ids in chosen.items()}
        return chosen

    def _work(self, sequence: int, token_ids: list[int]) -> Work:
        table, computed = self.tables.setdefault(sequence, []), self.computed.get(sequence, 0)
        while len(table) * self.block_size < computed + len(token_ids):
            table.append(self.free.pop())
        self.computed[sequence] = computed + len(token_ids)
        return Work(token_ids, computed, table)
