"""What API processes (and any ZMQ client) and the scheduler say to each other.

    client ── Hello ─────────────▶ scheduler      client ◀── SchedulerReady ── scheduler
           ── Submit ────────────▶                       ◀── Accepted | Rejected
           ── Abort ─────────────▶                       ◀── Outputs  (one message a step)
           ── GetStats ──────────▶                       ◀── SchedulerStats
           ── GetStatus ─────────▶                       ◀── SchedulerStatus
                                                         ◀── KeepAlive  (when long nothing came)

A `Hello` is answered once a worker is ready. Every `Submit` is answered at once by `Accepted` or
`Rejected`, before any output. Knows nothing of text, HTTP, blocks or workers.

When a scheduler is lost, its clients submit again to the next one, with all that they have got, and
it goes on from there. They do so over a connection with a name of its own: what was said over the
old one, by either side, then cannot be taken for something new, so no token is lost or doubled.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, field

from forge_common.errors import RequestErrorKind
from forge_common.protocol.message import (
    Count,
    Failure,
    Message,
    Part,
    PositionLogprobs,
    RequestId,
    TokenIds,
)
from forge_common.sampling import MAX_CHOICES, FinishReason, SamplingParams, TokenId

# A token id takes 5 bytes at most: 10 MiB for the 2**21 of a prompt, as much again for what was put
# out so far, 1.25 MiB for the 2**18 of `allowed_token_ids`; a grammar 4 MiB, and together under
# 0.1 MiB all else that a Submit may carry.
MAX_CLIENT_MESSAGE_BYTES = 26 * 2**20

Priority = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
Tenant = Annotated[str, Meta(max_length=64)]  # who shares the queue with others: a key's name


class Hello(Message, frozen=True):
    protocol_version: int


class Submit(Message, frozen=True):
    """Ask for `sampling.num_choices` continuations of one prompt. Lower priority runs earlier.

    `is_speculative` false means no drafts for it: the same tokens, one a step. Of one that
    `is_timed` each output says where its time went. Tenants are served in turn, by what each has
    cost. With `start_within_s` it is refused if the queue is too long.
    `so_far` is empty, unless another scheduler was lost over the request: then it is what each
    choice has put out, or None for one that has ended. Outputs then begin behind that.
    """

    request_id: RequestId
    prompt_token_ids: Annotated[TokenIds, Meta(min_length=1)]
    sampling: SamplingParams
    priority: Priority = 0
    is_speculative: bool = True
    is_timed: bool = False
    tenant: Tenant = ""
    start_within_s: Annotated[float, Meta(ge=0, le=1e6)] | None = None
    so_far: Annotated[list[TokenIds | None], Meta(max_length=MAX_CHOICES)] = field(
        default_factory=list
    )


class Abort(Message, frozen=True):
    """Forget a request, or one of its choices (say, the one that met its stop string)."""

    request_id: RequestId
    choice_index: Annotated[int, Meta(ge=0, lt=MAX_CHOICES)] | None = None


class GetStats(Message, frozen=True):
    pass


class GetStatus(Message, frozen=True):
    """For somebody who watches: it costs the scheduler more than `GetStats`, up to milliseconds."""


class SchedulerReady(Message, frozen=True):
    """`epoch` changes with every start of the scheduler; ids from an older one mean nothing."""

    protocol_version: int
    epoch: Count
    max_model_len: Count
    vocab_size: Count
    block_size: Count
    num_blocks: Count


class Accepted(Message, frozen=True):
    request_id: RequestId


class Rejected(Message, frozen=True):
    request_id: RequestId
    message: str
    kind: RequestErrorKind = RequestErrorKind.INVALID
    param: str | None = None
    code: str | None = None
    retry_after_s: float | None = None


class SequenceTimes(Part, frozen=True):
    """Where the time of one choice went, up to the output that carries this.

    Queue, prefill and decode add up to the time from the request's arrival in the scheduler until
    then. A step counts in prefill until it gave the first token; `…_forward_s` sums the whole
    forward passes of its steps, which it may have shared with others, as the worker timed them.
    """

    queue_s: float  # until its first step was sent
    prefill_s: float  # from then until its first token was known
    decode_s: float
    num_prefill_steps: Count
    num_decode_steps: Count
    prefill_forward_s: float
    decode_forward_s: float
    num_draft_tokens: Count
    num_accepted_tokens: Count  # of the drafts
    num_preemptions: Count  # it gave its blocks to another sequence, and was computed anew
    num_resumptions: Count  # its worker was lost, and it was computed anew


class SequenceOutput(Part, frozen=True):
    """New tokens of one choice. After one with a `finish_reason`, no more come for it."""

    request_id: RequestId
    choice_index: Count
    token_ids: TokenIds
    finish_reason: FinishReason | None = None
    stop_token_id: TokenId | None = None  # the stop token that ended it, also when not eos
    error: Failure | None = None
    num_cached_tokens: Count = 0
    logprobs: list[PositionLogprobs] | None = None  # one for each of token_ids
    prompt_logprobs: list[PositionLogprobs | None] | None = (
        None  # whole, with the first output; [0] is None
    )
    queue_s: float | None = None  # with the first output: the wait until its first step was sent
    times: SequenceTimes | None = None  # if its request is timed


class Outputs(Message, frozen=True):
    outputs: list[SequenceOutput]


class Malformed(Message, frozen=True):
    """The peer sent bytes that are none of its messages; `reason` names the offending part.

    A `Submit` whose request id can be read is `Rejected` instead, as "malformed_request".
    """

    reason: str


class KeepAlive(Message, frozen=True):
    """Nothing new for requests that wait or run; sending it shows whether the client is there."""


class StepSizes(Part, frozen=True):
    """How many steps had how many tokens: `counts[i]` of at most `bounds[i]`, the last of more."""

    bounds: list[Count]
    counts: list[Count]
    tokens_total: Count


class WorkerLoss(StrEnum):
    """How a worker was lost, whose place another one took."""

    GONE = "gone"  # its connection was: it was killed, has crashed, or does not answer
    FAILED = "failed"  # it said so itself
    BROKEN = "broken"  # what it said was no answer to what it was asked
    HUNG = "hung"  # it was at a step for longer than any step takes


class SchedulerStats(Message, frozen=True):
    """Counts since the scheduler started, and its state now; `*_total` only ever grow."""

    num_waiting: Count
    num_running: Count
    num_waiting_tokens: Count
    num_blocks: Count
    num_free_blocks: Count
    last_step_age_s: float | None  # None before the first step, and while idle
    oldest_waiting_age_s: float | None
    is_worker_ready: bool
    worker_loss: str | None  # how the last worker was lost, in words; None while none was
    steps_total: Count
    prompt_tokens_total: Count
    cached_prompt_tokens_total: Count
    output_tokens_total: Count
    draft_tokens_total: Count
    accepted_tokens_total: Count  # of the drafts
    forced_draft_tokens_total: Count  # of the drafts, those that a grammar forced
    accepted_forced_tokens_total: Count
    preemptions_total: Count
    prefix_queries_total: Count
    prefix_hits_total: Count
    finished_total: dict[FinishReason, Count]
    rejected_total: Count
    slow_clients_total: Count
    sequences_resumed_total: Count
    worker_restarts_total: dict[WorkerLoss, Count]
    step_sizes: StepSizes
    grammar_delays_total: Count = 0  # steps that gave a sequence no token for its grammar's sake
    num_grammar_bytes: Count = 0  # of the grammars of all that wait or run
    uptime_s: float = 0.0
    worker_uptime_s: float | None = None  # since the worker introduced itself; None without one


class SequencePhase(StrEnum):
    """Where a sequence that has not ended stands."""

    WAITING = "waiting"
    RUNNING = "running"
    PREEMPTED = "preempted"  # waits again, with its output so far


class SequenceState(Part, frozen=True):
    """How far one choice of a request has come; nothing of what it says."""

    request_id: RequestId
    choice_index: Count
    phase: SequencePhase
    num_prompt_tokens: Count
    num_output_tokens: Count
    max_num_tokens: Count  # prompt and output, at which it ends
    num_computed_tokens: Count
    num_cached_tokens: Count
    num_blocks: Count
    age_s: float


class BlockMap(Part, frozen=True):
    """KV blocks in the order of their ids, `blocks_per_cell` of them together in a cell.

    Of each cell `blocks_seen` were looked at (of the last one maybe fewer), evenly spaced:
    `used[i]` of them are owned by sequences, `cached[i]` by nobody but still of use, and the rest
    are free.
    """

    num_blocks: Count
    blocks_per_cell: Count
    blocks_seen: Count
    used: list[Count]
    cached: list[Count]


class SchedulerStatus(Message, frozen=True):
    """Those that run and then those that wait, in the order of service, up to a bound."""

    sequences: list[SequenceState]
    block_map: BlockMap
    steps_answered_total: Count
    step_s_total: float  # for which the worker had a step, from its sending or the answer before


ClientMessage = Hello | Submit | Abort | GetStats | GetStatus
SchedulerMessage = (
    SchedulerReady
    | Accepted
    | Rejected
    | Outputs
    | SchedulerStats
    | SchedulerStatus
    | Malformed
    | KeepAlive
)
