"""Batch: the work of one step while it is put together, sent, and waited for.

`to_run_batch` is the delta the worker needs: new sequences in full, known ones by what changed.
Knows nothing of why a sequence was chosen, nor of blocks beyond their ids.
"""

from __future__ import annotations

from forge_common.errors import WorkerError
from forge_common.protocol.scheduler_worker import (
    BatchOutput,
    NewSequence,
    RunBatch,
    SampledSequence,
    ScheduledSequence,
)
from forge_scheduler.sequence import Sequence


class Batch:
    """`sequences` and `scheduled` run in parallel: who runs, and what of it."""

    __slots__ = ("new", "released", "scheduled", "sequences", "step_id", "token_budget")

    def __init__(self, step_id: int, token_budget: int) -> None:
        self.step_id = step_id
        self.token_budget = token_budget
        self.sequences: list[Sequence] = []
        self.scheduled: list[ScheduledSequence] = []
        self.new: list[NewSequence] = []
        self.released: list[int] = []

    def introduce(self, sequence: Sequence) -> None:
        """Tell the worker all about a sequence: at its first step, and when it resumes."""
        self.new.append(
            NewSequence(
                sequence_id=sequence.sequence_id,
                choice_index=sequence.choice_index,
                token_ids=list(sequence.token_ids),
                num_prompt_tokens=sequence.request.num_prompt_tokens,
                sampling=sequence.request.sampling,
            )
        )

    def add(self, sequence: Sequence, num_tokens: int, new_block_ids: list[int]) -> None:
        """Run the next `num_tokens` of a sequence; they have their places already."""
        num_computed_tokens = sequence.num_computed_tokens
        is_sampling = sequence.advance(num_tokens)
        self.token_budget -= num_tokens
        self.sequences.append(sequence)
        self.scheduled.append(
            ScheduledSequence(
                sequence.sequence_id, num_computed_tokens, num_tokens, new_block_ids, is_sampling
            )
        )

    def to_run_batch(self) -> RunBatch:
        return RunBatch(self.step_id, self.released, self.new, self.scheduled)

    def void(self) -> None:
        """No answer will come: what the step would have sampled is not awaited any more."""
        for sequence, scheduled in zip(self.sequences, self.scheduled, strict=True):
            sequence.settle(scheduled.is_sampling)

    def check_answer(self, output: BatchOutput, vocab_size: int) -> None:
        """Raises WorkerError unless `output` is a possible answer to this step."""
        if output.step_id != self.step_id or len(output.sequences) != len(self.scheduled):
            raise WorkerError(f"the worker answered step {output.step_id}, not {self.step_id}")
        for scheduled, sampled in zip(self.scheduled, output.sequences, strict=True):
            if scheduled.sequence_id != sampled.sequence_id:
                raise WorkerError("the worker answered for another sequence than the scheduled one")
            if sampled.error is None:
                _check_tokens(scheduled, sampled, vocab_size)


def _check_tokens(scheduled: ScheduledSequence, sampled: SampledSequence, vocab_size: int) -> None:
    token_ids = sampled.token_ids
    if len(token_ids) != scheduled.is_sampling:
        raise WorkerError(f"the worker sampled {len(token_ids)} tokens where it was not asked to")
    if token_ids and token_ids[0] >= vocab_size:
        raise WorkerError(f"the worker sampled token {token_ids[0]} of {vocab_size}")
    if sampled.logprobs is not None and len(sampled.logprobs) != len(token_ids):
        raise WorkerError("the worker gave logprobs that do not match its tokens")
