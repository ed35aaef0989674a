"""Scheduler: continuous batching as two verbs with a forward pass between them.

`schedule()` spends a token budget letting each sequence's computed tokens catch up with its known
ones, running sequences first; `update()` takes in what the worker sampled. Several steps may be in
flight: a step is planned on tokens the one ahead of it will have sampled. Knows nothing of sockets,
text, arrays, or how blocks are found and hashed.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque

import msgspec
from msgspec import Struct

from forge_common.errors import RequestError, WorkerError
from forge_common.protocol.api_scheduler import (
    SchedulerStats,
    SchedulerStatus,
    SequenceOutput,
    Submit,
)
from forge_common.protocol.message import Failure
from forge_common.protocol.scheduler_worker import (
    BatchOutput,
    SampledSequence,
    ScheduledSequence,
)
from forge_common.sampling import FinishReason
from forge_scheduler import outputs
from forge_scheduler.admission import Admission
from forge_scheduler.batch import Batch, num_accepted_tokens, num_computed_tokens
from forge_scheduler.grammar_room import GrammarRoom
from forge_scheduler.intake import Intake
from forge_scheduler.kv_cache.manager import KVCacheManager
from forge_scheduler.policy import FirstComeFirstServed, Policy
from forge_scheduler.resumption import known_outputs, num_resumed
from forge_scheduler.sequence import (
    Rank,
    Request,
    RequestKey,
    Sequence,
    SequenceStatus,
    status_with,
)
from forge_scheduler.shares import Room
from forge_scheduler.stats import Clock, Counters, QueuePace, StepMeter, StepTimer, stats_of
from forge_scheduler.status import states_of
from forge_scheduler.timekeeper import Timekeeper
from forge_scheduler.turns import Turns
from forge_scheduler.waiting_queue import WaitingQueue
from forge_scheduler.worker_loss import BLAMED, fit_to, no_room, put_on_trial

ClientOutputs = dict[bytes, list[SequenceOutput]]


class Limits(Struct, frozen=True, kw_only=True):
    """The plain numbers a scheduler keeps to."""

    max_batch_size: int
    max_prefill_tokens: int
    max_model_len: int
    vocab_size: int
    max_queued_requests: int = 1024
    max_queued_tokens: int = 1_000_000
    max_grammar_bytes: int = 2**28
    max_steps_in_flight: int = 2
    max_draft_tokens: int = 0  # of one sequence in one step, as its first worker takes them
    has_prefix_cache: bool = True


class Scheduler:
    """Owns every request from its submission to its one end."""

    def __init__(
        self,
        limits: Limits,
        num_blocks: int,
        block_size: int,
        policy: Policy | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.max_model_len = min(limits.max_model_len, num_blocks * block_size)
        self.counters = Counters()
        self._limits = limits
        self._policy = policy or FirstComeFirstServed()
        self._clock = clock
        self._intake = Intake(self.max_model_len, limits.vocab_size)
        self._kv_cache = KVCacheManager(
            num_blocks, block_size, has_prefix_cache=limits.has_prefix_cache
        )
        self._requests: dict[RequestKey, Request] = {}
        spare = Room(limits.max_batch_size, limits.max_batch_size * limits.max_model_len)
        self._waiting = WaitingQueue(limits.max_queued_requests, limits.max_queued_tokens, spare)
        self._grammar_room = GrammarRoom(limits.max_grammar_bytes)
        self._admission = Admission(
            limits.max_batch_size, self._waiting, self._kv_cache, self._policy, self.counters
        )
        self._admission.speculation.max_draft_tokens = limits.max_draft_tokens
        self._in_flight: deque[Batch] = deque()
        self._pace = QueuePace()
        self._turns = Turns()
        self._step_meter = StepMeter()
        self._timekeeper = Timekeeper(clock)
        self._step_timer = StepTimer()
        self._last_step_at_s = clock()
        self._num_requests = 0
        self._num_sequences = 0

    @property
    def is_empty(self) -> bool:
        """Nothing asked for is unfinished, and no step is in flight."""
        return not self._requests and not self._in_flight

    @property
    def clients(self) -> set[bytes]:
        """Those with a request that is not finished."""
        return {key.client for key in self._requests}

    def submit(self, client: bytes, submit: Submit) -> None:
        """Queue a request. Raises RequestError, as QueueFull where trying later can help.

        What another scheduler has put out for it is prompt and output so far, as after preemption.
        """
        try:
            request = self._check(client, submit)
        except RequestError:
            self.counters.num_rejected += 1
            raise
        self._requests[request.key] = request
        self._grammar_room.take(request.sampling)
        turn = self._turns.take(request)
        rank = self._policy.rank(submit.priority, turn, self._num_requests, 0)
        request.sequences = [
            self._make_choice(request, submit, rank._replace(choice_index=choice_index), known)
            for choice_index, known in enumerate(known_outputs(submit))
        ]
        if submit.is_timed:
            self._timekeeper.follow(request.sequences)
        self._num_requests += 1
        self.counters.num_resumed += num_resumed(submit)
        first, *request.held = (each for each in request.sequences if not each.is_finished)
        self._waiting.add(first)
        if not self._kv_cache.can_share_prompt(first):
            self._queue_held(request)

    def abort(self, key: RequestKey, choice_index: int | None = None) -> list[SequenceOutput]:
        """End a request, or one choice of it; what is unknown or finished stays as it is."""
        request = self._requests.get(key)
        if request is None:
            return []
        return [
            self._end(sequence, FinishReason.ABORT)
            for sequence in request.sequences
            if choice_index in (None, sequence.choice_index) and not sequence.is_finished
        ]

    def end_all(
        self, reason: FinishReason, *, client: bytes | None = None, error: Failure | None = None
    ) -> ClientOutputs:
        """End every request, or every one of a client."""
        chosen = [r for r in self._requests.values() if client in (None, r.key.client)]
        return self._end_requests(chosen, reason, error)

    def schedule(self) -> Batch | None:
        """The next step, or None: nothing can run, or enough steps are in flight."""
        if len(self._in_flight) >= self._limits.max_steps_in_flight:
            return None
        batch = Batch(self.counters.num_steps, self._limits.max_prefill_tokens)
        self._admission.fill(batch)
        if not batch.scheduled:
            return None
        batch.released = self._admission.take_released()
        self._in_flight.append(batch)
        self.counters.num_steps += 1
        self._last_step_at_s = batch.sent_at_s = self._clock()
        self._observe(batch)
        return batch

    def update(self, output: BatchOutput) -> ClientOutputs:
        """Take in what the oldest step in flight gave. Raises WorkerError unless it answers it."""
        if not self._in_flight:
            raise WorkerError(f"the worker answered step {output.step_id}, which was not sent")
        self._in_flight[0].check_answer(output, self._limits.vocab_size)
        batch = self._in_flight.popleft()
        self._timekeeper.take(batch, output)
        self._step_timer.observe(batch.sent_at_s, self._clock())
        news: ClientOutputs = defaultdict(list)
        for sequence, scheduled, sampled in zip(
            batch.sequences, batch.scheduled, output.sequences, strict=True
        ):
            sequence.settle(scheduled, num_accepted_tokens(sampled))
            if sequence.status is SequenceStatus.FINISHED:
                continue
            sequence_output = self._take_in(sequence, scheduled, sampled)
            if sequence_output is not None:
                news[sequence.request.key.client].append(sequence_output)
        return news

    def recall(self) -> None:
        """The last step could not be sent: nobody ran in it. Its worker is to be lost then."""
        self._in_flight.pop().void()

    def lose_worker(self) -> ClientOutputs:
        """No step in flight is answered any more, and all KV is gone: what ran waits again.

        Ends the request that a worker was lost over before.
        """
        blamed = put_on_trial(self._in_flight)
        while self._in_flight:
            self._in_flight.popleft().void()
        ended = self._end_requests(blamed, FinishReason.ERROR, BLAMED)
        self.counters.num_resumed += self._admission.preempt_all()
        return ended

    def resume(
        self, num_blocks: int, block_size: int, max_model_len: int, max_draft_tokens: int = 0
    ) -> ClientOutputs:
        """Go on with another worker, whose KV memory is empty. Ends what it has no room for."""
        self._admission.speculation.max_draft_tokens = max_draft_tokens
        self.max_model_len = min(max_model_len, num_blocks * block_size)
        self._intake = Intake(self.max_model_len, self._limits.vocab_size)
        self._kv_cache.reset(num_blocks, block_size)
        ended: ClientOutputs = defaultdict(list)
        for request in list(self._requests.values()):
            for sequence in fit_to(request, self.max_model_len):
                error = no_room(sequence, self.max_model_len)
                ended[request.key.client].append(self._end(sequence, FinishReason.ERROR, error))
        return ended

    def stats(self) -> SchedulerStats:
        """But for what is known of the worker."""
        now_s = self._clock()
        oldest_s = self._waiting.oldest_arrival_s()
        return msgspec.structs.replace(
            stats_of(self.counters, self._step_meter.sizes()),
            num_waiting=len(self._waiting),
            num_running=len(self._admission.running),
            num_waiting_tokens=self._waiting.num_tokens,
            num_grammar_bytes=self._grammar_room.num_bytes,
            num_blocks=self._kv_cache.num_blocks,
            num_free_blocks=self._kv_cache.num_free_blocks,
            last_step_age_s=now_s - self._last_step_at_s if self._in_flight else None,
            oldest_waiting_age_s=None if oldest_s is None else now_s - oldest_s,
        )

    def status(self) -> SchedulerStatus:
        """What runs and waits, and where the blocks are: more than a scrape asks for."""
        return SchedulerStatus(
            states_of(self._admission.running, self._waiting, self._clock()),
            self._kv_cache.block_map(),
            self._step_timer.num_steps,
            self._step_timer.total_s,
        )

    def _observe(self, batch: Batch) -> None:
        self._step_meter.observe(batch.num_tokens)
        now_s = self._last_step_at_s
        self._pace.observe(now_s, self.counters.num_prompt_tokens, len(self._waiting) > 0)
        if batch.new:
            for sequence in batch.sequences:
                if sequence.queue_s is None:
                    sequence.queue_s = now_s - sequence.request.arrived_at_s
                    self._turns.start(sequence.request, sequence.rank.turn)

    def _check(self, client: bytes, submit: Submit) -> Request:
        request = self._intake.make_request(client, submit, self._clock())
        if request.key in self._requests:
            raise RequestError(
                f"request {submit.request_id} is being served already",
                param="request_id",
                code="duplicate_request_id",
            )
        is_resumed, pace = len(submit.so_far) > 0, self._pace.per_second(request.arrived_at_s)
        self._waiting.require_room(
            request.num_prompt_tokens, pace, tenant=request.tenant, is_resumed=is_resumed
        )
        if submit.start_within_s is not None and not is_resumed:
            turn = self._turns.next_of(request.tenant)
            rank = self._policy.rank(submit.priority, turn, self._num_requests, 0)
            self._waiting.require_start(rank, submit.start_within_s, pace)
        self._grammar_room.require(request.sampling, is_resumed=is_resumed)
        return request

    def _make_choice(
        self, request: Request, submit: Submit, rank: Rank, known: list[int] | None
    ) -> Sequence:
        self._num_sequences += 1
        return Sequence(
            sequence_id=self._num_sequences,
            request=request,
            rank=rank,
            token_ids=[*submit.prompt_token_ids, *(known or ())],
            status=status_with(known),
        )

    def _queue_held(self, request: Request) -> None:
        held, request.held = request.held, []
        for sequence in held:
            self._waiting.add(sequence)

    def _take_in(
        self, sequence: Sequence, scheduled: ScheduledSequence, sampled: SampledSequence
    ) -> SequenceOutput | None:
        if sampled.error is not None:
            return self._end(sequence, FinishReason.ERROR, sampled.error)
        outputs.keep_prompt_logprobs(sequence, scheduled, sampled)
        if sampled.is_delayed:
            self.counters.num_delayed += 1
            sequence.put_back()
        is_sampled = scheduled.is_sampling and not sampled.is_delayed
        sequence_output = outputs.accept(sequence, sampled) if is_sampled else None
        self._take_in_computed(sequence, num_computed_tokens(scheduled, sampled))
        if sequence_output is None:
            return None
        if sequence.request.held:
            self._queue_held(sequence.request)
        self.counters.num_output_tokens += len(sequence_output.token_ids)
        self._take_in_drafts(sequence, scheduled, sampled)
        timed_output = self._timekeeper.signed(sequence, sequence_output)
        if sequence_output.finish_reason is not None:
            self._finish(sequence, sequence_output.finish_reason)
        return timed_output

    def _take_in_drafts(
        self, sequence: Sequence, scheduled: ScheduledSequence, sampled: SampledSequence
    ) -> None:
        counters, drafted = self.counters, scheduled.draft_token_ids
        counters.num_draft_tokens += len(drafted)
        counters.num_accepted_tokens += num_accepted_tokens(sampled)
        forced = self._admission.speculation.take_in(sequence, drafted, sampled)
        counters.num_forced_draft_tokens += forced.num_drafted
        counters.num_accepted_forced_tokens += forced.num_accepted

    def _take_in_computed(self, sequence: Sequence, num_tokens: int) -> None:
        sequence.has_computed(num_tokens)
        if sequence.status is SequenceStatus.RUNNING:
            self._kv_cache.commit(sequence, min(num_tokens, len(sequence.token_ids)))

    def _end_requests(
        self, requests: list[Request], reason: FinishReason, error: Failure | None
    ) -> ClientOutputs:
        ended: ClientOutputs = defaultdict(list)
        for request in requests:
            ended[request.key.client] += [
                self._end(sequence, reason, error)
                for sequence in request.sequences
                if not sequence.is_finished
            ]
        return ended

    def _end(
        self, sequence: Sequence, reason: FinishReason, error: Failure | None = None
    ) -> SequenceOutput:
        self._finish(sequence, reason)
        return outputs.last_words(sequence, reason, error)

    def _finish(self, sequence: Sequence, reason: FinishReason) -> None:
        request = sequence.request
        if sequence in request.held:
            request.held.remove(sequence)
        else:
            self._admission.withdraw(sequence)
            self._queue_held(request)  # nobody else computes their prompt
        sequence.status = SequenceStatus.FINISHED
        self._timekeeper.forget(sequence)
        self.counters.num_finished[reason] += 1
        if request.is_finished:
            del self._requests[request.key]
            self._grammar_room.give_back(request.sampling)
            self._turns.settle(request)
            if not self._requests:
                self._turns.forget_all()
