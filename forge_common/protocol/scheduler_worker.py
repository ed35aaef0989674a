"""What the scheduler and its worker say to each other.

    scheduler ── RunBatch ──▶ worker      worker ── WorkerReady ──▶ scheduler
              ── Shutdown ─▶                     ── BatchOutput ─▶  (one a RunBatch, in order)
                                                 ── WorkerFailed ▶

A sequence is described in full once (`NewSequence`); afterwards only what changed is sent, and the
worker keeps a mirror. The worker appends the tokens it samples to its mirror by itself, so a step
can be sent before the one ahead of it was read.

A worker gives itself another name on its socket at every start, which is its epoch: what one said
that is gone can never be taken for the word of the next. Knows nothing of requests, clients or
text.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from forge_common.protocol.message import BlockId, Count, Message, Part, PositionLogprobs, TokenIds
from forge_common.sampling import SamplingParams, TokenId

SequenceId = Annotated[int, Meta(ge=0, lt=2**53)]
StepId = Annotated[int, Meta(ge=0, lt=2**53)]
BlockIds = Annotated[list[BlockId], Meta(max_length=2**21)]


class NewSequence(Part, frozen=True):
    """All a worker must know of a sequence: also sent again when a preempted one resumes.

    `token_ids` is prompt + output so far; the first `num_prompt_tokens` of them are the prompt.
    """

    sequence_id: SequenceId
    choice_index: Count
    token_ids: Annotated[TokenIds, Meta(min_length=1)]
    num_prompt_tokens: Count
    sampling: SamplingParams


class ScheduledSequence(Part, frozen=True):
    """Run `num_scheduled_tokens` of a sequence from `num_computed_tokens` on.

    `new_block_ids` are appended to its block table. A token is sampled exactly when the step
    reaches the sequence's last known token (`is_sampling`).
    """

    sequence_id: SequenceId
    num_computed_tokens: Count
    num_scheduled_tokens: Annotated[int, Meta(ge=1, lt=2**31)]
    new_block_ids: BlockIds
    is_sampling: bool


class RunBatch(Message, frozen=True):
    """One step. `released` sequences are forgotten first, then `new` are learnt, then it runs."""

    step_id: StepId
    released: list[SequenceId]
    new: list[NewSequence]
    scheduled: list[ScheduledSequence]


class Shutdown(Message, frozen=True):
    pass


class WorkerReady(Message, frozen=True):
    """`process_id` is by which a launcher on the same host knows it."""

    protocol_version: int
    num_blocks: Count
    block_size: Count
    max_model_len: Count
    vocab_size: Count
    process_id: Count


class SampledSequence(Part, frozen=True):
    """`token_ids` is empty for a chunk that ended before the last token, or on error."""

    sequence_id: SequenceId
    token_ids: list[TokenId]
    logprobs: list[PositionLogprobs] | None = None
    prompt_logprobs: list[PositionLogprobs] | None = (
        None  # of the prompt tokens after this chunk's positions
    )
    error: str | None = None


class BatchOutput(Message, frozen=True):
    """Answers the `RunBatch` of the same `step_id`: one entry a scheduled sequence, same order."""

    step_id: StepId
    sequences: list[SampledSequence]
    forward_s: float


class WorkerFailed(Message, frozen=True):
    reason: str


ToWorker = RunBatch | Shutdown
FromWorker = WorkerReady | BatchOutput | WorkerFailed
