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

Drafts = list[int] | tuple[()]


def num_accepted_tokens(sampled: SampledSequence) -> int:
    """Drafts that were sampled: all that a step gave but for its last token."""
    return max(len(sampled.token_ids) - 1, 0)


def num_computed_tokens(scheduled: ScheduledSequence, sampled: SampledSequence) -> int:
    """Tokens of the sequence that have KV after a step.

    Rejected drafts have none, and the last one of a delayed sequence may have.
    """
    num_rejected = len(scheduled.draft_token_ids) - num_accepted_tokens(sampled)
    num_rejected += sampled.is_delayed
    return scheduled.num_computed_tokens + scheduled.num_scheduled_tokens - num_rejected


class Batch:
    """`sequences` and `scheduled` run in parallel: who runs, and what of it."""

    __slots__ = (
        "new",
        "num_draft_tokens",
        "num_tokens",
        "released",
        "scheduled",
        "sent_at_s",
        "sequences",
        "step_id",
        "token_budget",
    )

    def __init__(self, step_id: int, token_budget: int) -> None:
        self.step_id = step_id
        self.sent_at_s = 0.0
        self.token_budget = token_budget
        self.num_draft_tokens = 0
        self.num_tokens = 0
        self.sequences: list[Sequence] = []
        self.scheduled: list[ScheduledSequence] = []
        self.new: list[NewSequence] = []
        self.released: list[int] = []

    def introduce(self, sequence: Sequence, *, is_speculative: bool) -> None:
        """Tell the worker all about a sequence: at its first step, and when it resumes."""
        self.new.append(
            NewSequence(
                sequence_id=sequence.sequence_id,
                choice_index=sequence.choice_index,
                token_ids=list(sequence.token_ids),
                num_prompt_tokens=sequence.request.num_prompt_tokens,
                sampling=sequence.request.sampling,
                is_speculative=is_speculative,
            )
        )

    def add(
        self,
        sequence: Sequence,
        num_tokens: int,
        new_block_ids: list[int],
        draft_token_ids: Drafts = (),
    ) -> None:
        """Run the next `num_tokens` of a sequence, and drafts behind its last one; they have their
        places already."""
        num_computed_tokens = sequence.num_computed_tokens
        is_sampling = sequence.advance(num_tokens, len(draft_token_ids))
        num_tokens += len(draft_token_ids)
        self.token_budget -= num_tokens
        self.num_tokens += num_tokens
        self.num_draft_tokens += len(draft_token_ids)
        self.sequences.append(sequence)
        self.scheduled.append(
            ScheduledSequence(
                sequence.sequence_id,
                num_computed_tokens,
                num_tokens,
                new_block_ids,
                is_sampling,
                list(draft_token_ids),
            )
        )

    def to_run_batch(self) -> RunBatch:
        return RunBatch(self.step_id, self.released, self.new, self.scheduled)

    def void(self) -> None:
        """No answer will come: what the step would have sampled is not awaited any more."""
        for sequence, scheduled in zip(self.sequences, self.scheduled, strict=True):
            sequence.settle(scheduled)

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
    token_ids, drafts = sampled.token_ids, scheduled.draft_token_ids
    max_tokens = scheduled.is_sampling + len(drafts)
    if sampled.is_delayed and (token_ids or not scheduled.is_sampling):
        raise WorkerError("the worker delayed a sequence that it was not to sample, or did sample")
    if sampled.is_delayed:
        return
    if not scheduled.is_sampling <= len(token_ids) <= max_tokens:
        raise WorkerError(f"the worker sampled {len(token_ids)} tokens where it was not asked to")
    if token_ids and max(token_ids) >= vocab_size:
        raise WorkerError(f"the worker sampled token {max(token_ids)} of {vocab_size}")
    if sampled.forced_token_ids and max(sampled.forced_token_ids) >= vocab_size:
        raise WorkerError("the worker foretold a token that is not in the vocabulary")
    if len(token_ids) > 1 and token_ids[:-1] != drafts[: len(token_ids) - 1]:
        raise WorkerError("the worker went on after a draft that it did not sample")
    if sampled.logprobs is not None and len(sampled.logprobs) != len(token_ids):
        raise WorkerError("the worker gave logprobs that do not match its tokens")
