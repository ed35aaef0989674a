"""FakeWorker: runs batches without arrays, and checks what a real worker would trip over.

Its token is a pure function of the tokens before it, the seed and the choice. Its KV cache is a
list of slots, each holding a digest of the whole prefix that was written there: reading a context
through a block table proves that every slot holds what a real attention would need.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate

from forge_common.protocol.message import PositionLogprobs, TokenLogprob
from forge_common.protocol.scheduler_worker import (
    BatchOutput,
    NewSequence,
    RunBatch,
    SampledSequence,
    ScheduledSequence,
)


def mix(digest: int, number: int) -> int:
    """Both numbers reach every bit: splitmix64's finish."""
    mixed = (digest * 0x9E3779B97F4A7C15 + number + 1) % 2**64
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
    return mixed ^ mixed >> 31


def with_drafts(digests: list[int], drafts: list[int]) -> list[int]:
    return [*digests[:-1], *accumulate(drafts, mix, initial=digests[-1])]


def next_token(digest: int, seed: int, choice_index: int) -> int:
    """What comes after a prefix, before it is cut to the vocabulary."""
    return mix(mix(digest, seed), choice_index)


@dataclass
class MirroredSequence:
    new: NewSequence
    digests: list[int] = field(default_factory=list)  # one for each known token's prefix
    token_ids: list[int] = field(default_factory=list)
    num_delays: int = 0  # since its last token
    block_table: list[int] = field(default_factory=list)

    def append(self, token_id: int) -> None:
        self.digests.append(mix(self.digests[-1] if self.digests else 1, token_id))
        self.token_ids.append(token_id)


class FakeWorker:
    def __init__(self, num_blocks: int, block_size: int, vocab_size: int = 100) -> None:
        self.num_blocks = num_blocks
        self.block_size = block_size
        self.vocab_size = vocab_size
        self.slots: list[int | None] = [None] * (num_blocks * block_size)
        self.sequences: dict[int, MirroredSequence] = {}
        self.owners: list[int] = [0] * num_blocks
        self.num_prompt_tokens_run = 0
        self.num_delays = 0  # of each sequence with a grammar, before each of its tokens

    def run(self, batch: RunBatch) -> BatchOutput:
        for sequence_id in batch.released:
            self._forget(sequence_id)
        for new in batch.new:
            self._learn(new)
        self._extend_block_tables(batch)
        for scheduled in batch.scheduled:
            self._write(scheduled)
        sampled = [self._sample(scheduled) for scheduled in batch.scheduled]
        return BatchOutput(step_id=batch.step_id, sequences=sampled, forward_s=0.001)

    def _forget(self, sequence_id: int) -> None:
        for block_id in self.sequences.pop(sequence_id).block_table:
            self.owners[block_id] -= 1

    def _learn(self, new: NewSequence) -> None:
        assert new.sequence_id not in self.sequences
        self.sequences[new.sequence_id] = sequence = MirroredSequence(new)
        for token_id in new.token_ids:
            sequence.append(token_id)

    def _extend_block_tables(self, batch: RunBatch) -> None:
        for scheduled in batch.scheduled:
            sequence = self.sequences[scheduled.sequence_id]
            for block_id in scheduled.new_block_ids:
                assert block_id not in sequence.block_table
                self.owners[block_id] += 1
            sequence.block_table += scheduled.new_block_ids

    def _write(self, scheduled: ScheduledSequence) -> None:
        sequence = self.sequences[scheduled.sequence_id]
        start = scheduled.num_computed_tokens
        digests = with_drafts(sequence.digests, scheduled.draft_token_ids)
        for position in range(start, start + scheduled.num_scheduled_tokens):
            block_id = sequence.block_table[position // self.block_size]
            assert self.owners[block_id] == 1, "a shared block is written"
            self.slots[self._slot(sequence, position)] = digests[position]
            self.num_prompt_tokens_run += position < sequence.new.num_prompt_tokens

    def _sample(self, scheduled: ScheduledSequence) -> SampledSequence:
        sequence = self.sequences[scheduled.sequence_id]
        drafts = scheduled.draft_token_ids
        end = scheduled.num_computed_tokens + scheduled.num_scheduled_tokens - len(drafts)
        for position in range(end):
            assert self.slots[self._slot(sequence, position)] == sequence.digests[position]
        assert scheduled.num_scheduled_tokens > 0
        assert scheduled.is_sampling == (end == len(sequence.token_ids))
        assert scheduled.is_sampling or not drafts
        if scheduled.is_sampling and self._is_delayed(sequence):
            self.slots[self._slot(sequence, end - 1)] = None  # it may be left out altogether
            return SampledSequence(
                scheduled.sequence_id,
                [],
                prompt_logprobs=self._prompt_logprobs(sequence, scheduled),
                is_delayed=True,
            )
        token_ids = self._next_tokens(sequence, drafts) if scheduled.is_sampling else []
        prompt_logprobs = self._prompt_logprobs(sequence, scheduled)
        return SampledSequence(
            scheduled.sequence_id, token_ids, None, prompt_logprobs=prompt_logprobs
        )

    def _is_delayed(self, sequence: MirroredSequence) -> bool:
        is_late = sequence.new.sampling.grammar is not None
        is_late = is_late and sequence.num_delays < self.num_delays
        sequence.num_delays = sequence.num_delays + 1 if is_late else 0
        return is_late

    def _next_tokens(self, sequence: MirroredSequence, drafts: list[int]) -> list[int]:
        token_ids = []
        for draft in [*drafts, None]:
            token_ids.append(self._next_token(sequence))
            sequence.append(token_ids[-1])
            if token_ids[-1] != draft:
                break
        return token_ids

    def _next_token(self, sequence: MirroredSequence) -> int:
        new = sequence.new
        return next_token(sequence.digests[-1], new.sampling.seed, new.choice_index) % (
            self.vocab_size
        )

    def _prompt_logprobs(
        self, sequence: MirroredSequence, scheduled: ScheduledSequence
    ) -> list[PositionLogprobs] | None:
        if sequence.new.sampling.num_prompt_logprobs is None:
            return None
        start = scheduled.num_computed_tokens + 1
        end = min(start + scheduled.num_scheduled_tokens, sequence.new.num_prompt_tokens)
        return [
            PositionLogprobs(TokenLogprob(token_id, -1.0), [])
            for token_id in sequence.token_ids[start:end]
        ]

    def _slot(self, sequence: MirroredSequence, position: int) -> int:
        block_id = sequence.block_table[position // self.block_size]
        return block_id * self.block_size + position % self.block_size
