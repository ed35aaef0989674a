"""A model whose logits are a hash of the whole context, read back through the block table.

A wrong token, position, slot or block anywhere in the context changes every logit. Beside it, the
messages that drive a runner, built from plain integers.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from forge_common.grammar.engine import Engine
from forge_common.protocol.scheduler_worker import (
    BatchOutput,
    NewSequence,
    RunBatch,
    SampledSequence,
    ScheduledSequence,
)
from forge_common.sampling import SamplingParams
from forge_worker.constraints import Constraints
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.forward_inputs import FloatArray, ForwardInputs
from forge_worker.model_runner import ModelRunner
from forge_worker.ops.protocol import KVLayer
from forge_worker.sampler.sampler import Sampler
from forge_worker.sampler.table import SamplingTable
from forge_worker.sequence_mirror import Limits, SequenceMirror, host_tables

LIMITS = Limits(
    max_batch_size=8,
    max_model_len=64,
    block_size=4,
    num_blocks=64,
    vocab_size=50,
)
MIXER = np.uint64(0x9E3779B97F4A7C15)


class FakeCache(NamedTuple):
    block_size: int
    slots: np.ndarray  # [num_blocks * block_size] uint64
    layers: tuple[KVLayer, ...] = ()


def fake_cache(limits: Limits = LIMITS) -> FakeCache:
    return FakeCache(limits.block_size, np.zeros(limits.num_blocks * limits.block_size, np.uint64))


class FakeOps(NumpyOps):
    """Leaves the step as it is, for a model that reads it itself."""

    def begin_step(self, inputs: ForwardInputs, config: object, block_size: int) -> ForwardInputs:
        return inputs


def no_grammars() -> Constraints:
    """For sequences without any: there is no vocabulary."""

    def make_engine() -> Engine:
        raise AssertionError("no sequence of this test has a grammar")

    return Constraints(make_engine)


def host_mirror(limits: Limits = LIMITS) -> SequenceMirror:
    sampling = SamplingTable(limits.max_batch_size, limits.vocab_size)
    return SequenceMirror(limits, host_tables(limits, sampling, no_grammars()))


class FakeModel:
    """`broken_token` makes the states and logits of a context that ends with it NaN."""

    def __init__(self, vocab_size: int = LIMITS.vocab_size, broken_token: int | None = None):
        self.config = None
        self.ops = FakeOps()
        self.vocab_size = vocab_size
        self.broken_token = broken_token
        self.largest_logits_request = 0

    def hidden(self, inputs: ForwardInputs, kv_cache: FakeCache) -> np.ndarray:
        """[num_logits, 5]: the hash of the context in four parts, and NaN where it is broken."""
        content = (inputs.token_ids.astype(np.uint64) + np.uint64(1)) * MIXER
        kv_cache.slots[inputs.slot_mapping] = content ^ inputs.positions.astype(np.uint64)
        owners = np.searchsorted(inputs.query_starts, inputs.logit_rows, side="right") - 1
        hashes = [
            context_hash(inputs, kv_cache, owner, row)
            for owner, row in zip(owners, inputs.logit_rows, strict=True)
        ]
        parts = [[(value >> shift) % 2**16 for shift in (48, 32, 16, 0)] for value in hashes]
        states = np.zeros((len(hashes), 5))
        states[:, :4] = np.array(parts).reshape(-1, 4)
        states[inputs.token_ids[inputs.logit_rows] == self.broken_token, 4] = np.nan
        return states

    def logits(self, hidden: np.ndarray) -> FloatArray:
        self.largest_logits_request = max(self.largest_logits_request, len(hidden))
        hashes = hidden[:, :4].astype(np.uint64) @ np.array([2**48, 2**32, 2**16, 1], np.uint64)
        odd = np.arange(self.vocab_size, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        mixed = (hashes ^ (hashes >> np.uint64(29)))[:, None] * odd * MIXER
        logits = ((mixed >> np.uint64(40)).astype(np.float32) / 2**24 - 0.5) * 8
        logits += hidden[:, 4:].astype(np.float32)
        return logits


def context_hash(inputs: ForwardInputs, cache: FakeCache, owner: int, row: int) -> int:
    positions = np.arange(inputs.positions[row] + 1)
    blocks = inputs.block_tables[owner][positions // cache.block_size].astype(np.int64)
    total = 0
    for value in cache.slots[blocks * cache.block_size + positions % cache.block_size].tolist():
        total = (total * 1_000_003 + value) % 2**64
    return total


def fake_runner(model: FakeModel | None = None, limits: Limits = LIMITS, num_threads: int = 1):
    model = model or FakeModel(limits.vocab_size)
    make_sampler = partial(Sampler, num_threads=num_threads)
    return ModelRunner(model, fake_cache(limits), limits, no_grammars(), make_sampler)


def sampling(**changes) -> SamplingParams:
    return SamplingParams(**{"max_tokens": 16, "seed": 7, "temperature": 1.0, **changes})


def new_sequence(sequence_id: int, token_ids: list[int], num_output: int = 0, **params):
    num_prompt = len(token_ids) - num_output
    return NewSequence(sequence_id, 0, token_ids, num_prompt, sampling(**params))


class FakeSequence:
    """A scheduler's view of one sequence: enough to write its part of the next RunBatch."""

    def __init__(self, sequence_id: int, token_ids: list[int], blocks: list[int], **params):
        self.sequence_id = sequence_id
        self.token_ids = list(token_ids)
        self.num_prompt = len(token_ids)
        self.params = params
        self.start_over(blocks)

    def start_over(self, blocks: list[int]) -> None:
        """As after a preemption: nothing is computed, and the blocks are others."""
        self.blocks = blocks
        self.num_computed = 0
        self.num_known = len(self.token_ids)
        self.num_sent_blocks = 0

    def introduction(self) -> NewSequence:
        num_output = len(self.token_ids) - self.num_prompt
        return new_sequence(self.sequence_id, self.token_ids, num_output, **self.params)

    def schedule(self, num_tokens: int | None = None, block_size: int = LIMITS.block_size):
        """The next `num_tokens`, by default all that are known."""
        count = num_tokens or self.num_known - self.num_computed
        end = self.num_computed + count
        needed = -(-end // block_size)
        fresh = self.blocks[self.num_sent_blocks : needed]
        part = ScheduledSequence(
            self.sequence_id, self.num_computed, count, fresh, end == self.num_known
        )
        self.num_sent_blocks, self.num_computed = max(needed, self.num_sent_blocks), end
        self.num_known += part.is_sampling
        return part

    def take(self, sampled: SampledSequence) -> None:
        self.token_ids += sampled.token_ids
        if sampled.is_delayed:  # the last known token is run once more
            self.num_known -= 1
            self.num_computed -= 1

    @property
    def output(self) -> list[int]:
        return self.token_ids[self.num_prompt :]


def step(runner: ModelRunner, *sequences: FakeSequence, **kwargs) -> BatchOutput:
    """Run every known token of `sequences`, introducing those that have not run yet."""
    new = [s.introduction() for s in sequences if s.num_sent_blocks == 0]
    scheduled = [s.schedule(kwargs.get("num_tokens")) for s in sequences]
    output = runner.run(RunBatch(0, kwargs.get("released", []), new, scheduled))
    for sequence, sampled in zip(sequences, output.sequences, strict=True):
        sequence.take(sampled)
    return output


def generate(runner: ModelRunner, *sequences: FakeSequence, num_tokens: int = 8) -> None:
    for _ in range(num_tokens):
        step(runner, *sequences)
