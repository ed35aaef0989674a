"""What the scheduler and its worker say to each other.

    scheduler ── RunBatch ──▶ worker      worker ── WorkerReady ──▶ scheduler
              ── Shutdown ─▶                     ── BatchOutput ─▶  (one a RunBatch, in order)
                                                 ── WorkerFailed ▶

A sequence is described in full once (`NewSequence`); afterwards only what changed is sent, and the
worker keeps a mirror. The worker appends the tokens it samples to its mirror by itself, so a step
can be sent before the one ahead of it was read.

Drafts are tokens that nobody sampled yet. The worker runs them behind the last known token, samples
each position, and goes on for as long as what it sampled is the next draft; so it gives one token
at least, and what it gives is what it would have given without drafts. The scheduler sends no
further step of a sequence before it has read what became of its drafts. Some are the worker's own
guess: what a sequence's grammar forces to come next it says with what it sampled. A worker may
leave drafts out; they are as good as wrong then.

A worker gives itself another name on its socket at every start, which is its epoch: what one said
that is gone can never be taken for the word of the next. Knows nothing of requests, clients or
text.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from forge_common.protocol.message import (
    BlockId,
    Count,
    Failure,
    Message,
    Part,
    PositionLogprobs,
    TokenIds,
)
from forge_common.sampling import SamplingParams, TokenId

SequenceId = Annotated[int, Meta(ge=0, lt=2**53)]
StepId = Annotated[int, Meta(ge=0, lt=2**53)]
BlockIds = Annotated[list[BlockId], Meta(max_length=2**21)]

MAX_DRAFT_TOKENS = 64

NumDraftTokens = Annotated[int, Meta(ge=0, le=MAX_DRAFT_TOKENS)]
DraftTokenIds = Annotated[list[TokenId], Meta(max_length=MAX_DRAFT_TOKENS)]


def max_sampled_rows(max_batch_size: int, max_draft_tokens: int = MAX_DRAFT_TOKENS) -> int:
    """Tokens that a step may sample, drafts included: where all sequences run, there are none.

    A lone one has room for as many as it may ever have. Wider steps are no gain: a GPU that can run
    the largest batch has its arithmetic to spare up to about there, and memory for so many logits.
    """
    return max(max_batch_size, 1 + max_draft_tokens)


class NewSequence(Part, frozen=True):
    """All a worker must know of a sequence: also sent again when a preempted one resumes.

    `token_ids` is prompt + output so far; the first `num_prompt_tokens` of them are the prompt.
    `is_speculative` false means that there are to be no drafts of it, so nothing need be foretold.
    """

    sequence_id: SequenceId
    choice_index: Count
    token_ids: Annotated[TokenIds, Meta(min_length=1)]
    num_prompt_tokens: Count
    sampling: SamplingParams
    is_speculative: bool = True


class ScheduledSequence(Part, frozen=True):
    """Run `num_scheduled_tokens` of a sequence from `num_computed_tokens` on.

    `new_block_ids` are appended to its block table. A token is sampled exactly when the step
    reaches the sequence's last known token (`is_sampling`); only then there may be drafts, which
    are the last of `num_scheduled_tokens`.
    """

    sequence_id: SequenceId
    num_computed_tokens: Count
    num_scheduled_tokens: Annotated[int, Meta(ge=1, lt=2**31)]
    new_block_ids: BlockIds
    is_sampling: bool
    draft_token_ids: DraftTokenIds = field(default_factory=list)


class RunBatch(Message, frozen=True):
    """One step. `released` sequences are forgotten first, then `new` are learnt, then it runs."""

    step_id: StepId
    released: list[SequenceId]
    new: list[NewSequence]
    scheduled: list[ScheduledSequence]


class Shutdown(Message, frozen=True):
    pass


class WorkerReady(Message, frozen=True):
    """`process_id` is by which a launcher on the same host knows it.

    `max_draft_tokens` is how many drafts of one sequence it takes in one step.
    """

    protocol_version: int
    num_blocks: Count
    block_size: Count
    max_model_len: Count
    vocab_size: Count
    process_id: Count
    max_draft_tokens: NumDraftTokens = 0


class SampledSequence(Part, frozen=True):
    """`token_ids` is empty for a chunk that ended before the last token, on error, and where it
    `is_delayed`: what its grammar allows is not worked out yet, or a draft that is no number spoilt
    it. Then all was computed but the last known token, which is to be scheduled once more.

    Otherwise it is the drafts that were accepted, and one token more. `forced_token_ids` are
    likely to come behind them, since a grammar forces their text; to be drafted, or not.
    """

    sequence_id: SequenceId
    token_ids: list[TokenId]
    logprobs: list[PositionLogprobs] | None = None  # one for each of token_ids
    prompt_logprobs: list[PositionLogprobs] | None = (
        None  # of the prompt tokens after this chunk's positions
    )
    error: Failure | None = None
    forced_token_ids: DraftTokenIds = field(default_factory=list)
    is_delayed: bool = False


class BatchOutput(Message, frozen=True):
    """Answers the `RunBatch` of the same `step_id`: one entry a scheduled sequence, same order."""

    step_id: StepId
    sequences: list[SampledSequence]
    forward_s: float


class WorkerFailed(Message, frozen=True):
    reason: str


ToWorker = RunBatch | Shutdown
FromWorker = WorkerReady | BatchOutput | WorkerFailed
