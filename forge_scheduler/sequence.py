"""Request and Sequence: what a client asked, and the running state of each of its choices.

One arithmetic serves prefill, chunks, decoding, drafts and resumption: `num_computed_tokens`
catches up with `num_tokens`. A token that a step in flight samples counts before it is known;
drafts count once they are accepted, and until that is known no further step is planned:

    token_ids   [ p p p p p | o o o ] ? ?         p prompt, o output, ? pending (sampled, unread)
    num_computed_tokens ─────────▶ 9              the last token has no KV until a step runs it
    num_tokens ────────────────────▶ 10           = len(token_ids) + num_pending_tokens

Knows nothing of queues, pools, budgets or sockets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from forge_common.protocol.message import PositionLogprobs
from forge_common.protocol.scheduler_worker import ScheduledSequence
from forge_common.sampling import SamplingParams
from forge_scheduler.drafter import Drafter
from forge_scheduler.foretold import Foretold


class SequenceStatus(Enum):
    """Where a sequence stands."""

    WAITING = auto()
    RUNNING = auto()
    PREEMPTED = auto()  # waits again, without blocks, with its output so far
    FINISHED = auto()


class Rank(NamedTuple):
    """Order of service: the least runs first, the greatest is preempted first."""

    priority: int
    turn: float  # of its tenant, in tokens: see `turns`
    arrival: int
    choice_index: int


class RequestKey(NamedTuple):
    """Request ids are the client's own, so only together with the client do they name a request."""

    client: bytes
    request_id: str


@dataclass(slots=True, eq=False)
class Request:
    """What a client asked. `held` choices wait until the first one has computed the prompt."""

    key: RequestKey
    sampling: SamplingParams
    num_prompt_tokens: int
    max_num_tokens: int  # prompt + output, at which every choice ends
    arrived_at_s: float
    is_speculative: bool = True
    tenant: str = ""
    stop_token_ids: frozenset[int] = field(init=False)
    sequences: list[Sequence] = field(default_factory=list)
    held: list[Sequence] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stop_token_ids = frozenset(self.sampling.stop_token_ids + self.sampling.eos_token_ids)

    @property
    def is_finished(self) -> bool:
        return all(sequence.is_finished for sequence in self.sequences)

    @property
    def unfinished(self) -> list[Sequence]:
        return [sequence for sequence in self.sequences if not sequence.is_finished]

    @property
    def has_started(self) -> bool:
        """One of its choices has got its first step."""
        return any(sequence.queue_s is not None for sequence in self.sequences)


@dataclass(slots=True, eq=False)
class Sequence:
    """One choice of a request: its tokens, its counters, its blocks."""

    sequence_id: int
    request: Request
    rank: Rank
    token_ids: list[int]  # prompt + output, all of them known
    status: SequenceStatus = SequenceStatus.WAITING
    num_cached_tokens: int = 0
    num_computed_tokens: int = 0
    num_pending_tokens: int = 0
    num_draft_tokens: int = 0  # of a step in flight
    num_steps_in_flight: int = 0
    num_tokens_on_trial: int = 0  # computed when its worker was lost, until it is past that
    block_table: list[int] = field(default_factory=list)
    block_hashes: list[bytes] = field(default_factory=list)
    num_committed_blocks: int = 0
    prompt_logprobs: list[PositionLogprobs | None] | None = None
    drafter: Drafter | None = None
    foretold: Foretold | None = None
    queue_s: float | None = None  # from its arrival to its first step; None before that
    num_preemptions: int = 0  # how often it gave its blocks to another sequence
    num_resumptions: int = 0  # how often its worker was lost

    @property
    def choice_index(self) -> int:
        return self.rank.choice_index

    @property
    def num_tokens(self) -> int:
        return len(self.token_ids) + self.num_pending_tokens

    @property
    def num_output_tokens(self) -> int:
        return len(self.token_ids) - self.request.num_prompt_tokens

    @property
    def num_tokens_to_run(self) -> int:
        """0 once the last token it may have is sampled (it needs no KV), and while it must wait."""
        if self.num_tokens >= self.request.max_num_tokens or self.must_wait:
            return 0
        return self.num_tokens - self.num_computed_tokens

    @property
    def max_draft_tokens(self) -> int:
        """More could not be accepted: the step samples one token besides them."""
        return self.request.max_num_tokens - self.num_tokens - 1

    @property
    def must_wait(self) -> bool:
        """What it puts out next, or where, depends on tokens that are still to be read."""
        return self.num_draft_tokens > 0 or (self.num_pending_tokens > 0 and self.has_grammar)

    @property
    def has_grammar(self) -> bool:
        return self.request.sampling.grammar is not None

    @property
    def is_finished(self) -> bool:
        return self.status is SequenceStatus.FINISHED

    @property
    def is_on_trial(self) -> bool:
        """Its worker was lost in a step of it, which no other worker has repeated yet."""
        return self.num_tokens_on_trial > 0

    def advance(self, num_scheduled_tokens: int, num_draft_tokens: int = 0) -> bool:
        """Count a step as sent; True when that step reaches the last token and so samples."""
        num_known = self.num_tokens
        self.num_computed_tokens += num_scheduled_tokens
        self.num_steps_in_flight += 1
        is_sampling = self.num_computed_tokens == num_known
        self.num_pending_tokens += is_sampling
        self.num_draft_tokens = num_draft_tokens
        return is_sampling

    def settle(self, scheduled: ScheduledSequence, num_accepted_tokens: int = 0) -> None:
        """The counterpart of `advance`: a step was answered, its tokens are known or void."""
        self.num_steps_in_flight -= 1
        self.num_pending_tokens -= scheduled.is_sampling
        if scheduled.draft_token_ids:
            self.num_draft_tokens = 0
            if self.status is SequenceStatus.RUNNING:  # otherwise its KV is gone
                self.num_computed_tokens += num_accepted_tokens

    def put_back(self) -> None:
        """Its step gave no token: the last known one is to be run once more, if it has KV still."""
        if self.status is SequenceStatus.RUNNING:
            self.num_computed_tokens -= 1

    def has_computed(self, num_tokens: int) -> None:
        """A worker has answered that it computed so many of its tokens."""
        if num_tokens >= self.num_tokens_on_trial:
            self.num_tokens_on_trial = 0

    def forget_computation(self) -> None:
        """Back to no KV at all; what was sampled, and what is still to be read, stays."""
        self.num_computed_tokens = 0
        self.num_committed_blocks = 0
        self.block_table = []


def status_with(known_output: list[int] | None) -> SequenceStatus:
    """Of one that another scheduler has begun, perhaps; None where that has ended it."""
    if known_output is None:
        return SequenceStatus.FINISHED
    return SequenceStatus.PREEMPTED if known_output else SequenceStatus.WAITING
