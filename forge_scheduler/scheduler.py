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
from forge_common.protocol.scheduler_worker import BatchOutput
from forge_common.sampling import MAX_CHOICES, FinishReason
from forge_scheduler.admission import Admission
from forge_scheduler.batch import Batch
from forge_scheduler.endings import Endings
from forge_scheduler.grammar_room import GrammarRoom
from forge_scheduler.harvest import Harvest
from forge_scheduler.intake import Intake
from forge_scheduler.kv_cache.manager import KVCacheManager
from forge_scheduler.outputs import ClientOutputs
from forge_scheduler.policy import FirstComeFirstServed, Policy
from forge_scheduler.reception import Reception
from forge_scheduler.resumption import num_resumed
from forge_scheduler.sequence import RequestKey
from forge_scheduler.shares import Room
from forge_scheduler.stats import Clock, Counters, StepMeter, StepTimer, stats_of
from forge_scheduler.status import states_of
from forge_scheduler.timekeeper import Timekeeper
from forge_scheduler.waiting_queue import WaitingQueue
from forge_scheduler.worker_loss import BLAMED, fit_to, no_room, put_on_trial


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
        self.counters = Counters()
        self._limits = limits
        self._clock = clock
        max_model_len = min(limits.max_model_len, num_blocks * block_size)
        self._intake = Intake(max_model_len, limits.vocab_size)
        self._kv_cache = KVCacheManager(
            num_blocks, block_size, has_prefix_cache=limits.has_prefix_cache
        )
        # What ran, the choices held back until its prompts were computed, and those of one more.
        max_others = (limits.max_batch_size + 1) * MAX_CHOICES
        spare = Room(max_others, max_others * limits.max_model_len)
        self._waiting = WaitingQueue(limits.max_queued_requests, limits.max_queued_tokens, spare)
        self._grammar_room = GrammarRoom(limits.max_grammar_bytes)
        policy = policy or FirstComeFirstServed()
        self._reception = Reception(self._intake, self._waiting, self._grammar_room, policy, clock)
        self._admission = Admission(
            limits.max_batch_size, self._waiting, self._kv_cache, policy, self.counters
        )
        self._admission.speculation.max_draft_tokens = limits.max_draft_tokens
        self._timekeeper = Timekeeper(clock)
        self._endings = Endings(self._reception, self._admission, self._timekeeper, self.counters)
        self._harvest = Harvest(
            self._admission, self._kv_cache, self._endings, self._timekeeper, self.counters
        )
        self._in_flight: deque[Batch] = deque()
        self._step_meter = StepMeter()
        self._step_timer = StepTimer()
        self._last_step_at_s = clock()

    @property
    def max_model_len(self) -> int:
        """Of a sequence, in tokens: what both the model and its KV memory hold."""
        return self._intake.max_model_len

    @property
    def is_empty(self) -> bool:
        """Nothing asked for is unfinished, and no step is in flight."""
        return not self._reception.requests and not self._in_flight

    @property
    def clients(self) -> set[bytes]:
        """Those with a request that is not finished."""
        return {key.client for key in self._reception.requests}

    def submit(self, client: bytes, submit: Submit) -> None:
        """Queue a request. Raises RequestError, as QueueFull where trying later can help."""
        try:
            request = self._reception.open(client, submit)
        except RequestError:
            self.counters.num_rejected += 1
            raise
        self.counters.num_resumed += num_resumed(submit)
        if submit.is_timed:
            self._timekeeper.follow(request.unfinished)
        first, *request.held = request.unfinished
        self._waiting.add(first)
        if not self._kv_cache.can_share_prompt(first):
            self._waiting.add_held(request)

    def abort(self, key: RequestKey, choice_index: int | None = None) -> list[SequenceOutput]:
        """End a request, or one choice of it; what is unknown or finished stays as it is."""
        request = self._reception.requests.get(key)
        if request is None:
            return []
        return [
            self._endings.end(sequence, FinishReason.ABORT)
            for sequence in request.unfinished
            if choice_index in (None, sequence.choice_index)
        ]

    def end_all(
        self, reason: FinishReason, *, client: bytes | None = None, error: Failure | None = None
    ) -> ClientOutputs:
        """End every request, or every one of a client."""
        chosen = [r for r in self._reception.requests.values() if client in (None, r.key.client)]
        return self._endings.end_all(chosen, reason, error)

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
        self._step_meter.observe(batch.num_tokens)
        self._reception.observe(batch, self.counters.num_prompt_tokens)
        return batch

    def update(self, output: BatchOutput) -> ClientOutputs:
        """Take in what the oldest step in flight gave. Raises WorkerError unless it answers it."""
        if not self._in_flight:
            raise WorkerError(f"the worker answered step {output.step_id}, which was not sent")
        self._in_flight[0].check_answer(output, self._limits.vocab_size)
        batch = self._in_flight.popleft()
        self._step_timer.observe(batch.sent_at_s, self._clock())
        return self._harvest.take(batch, output)

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
        ended = self._endings.end_all(blamed, FinishReason.ERROR, BLAMED)
        self.counters.num_resumed += self._admission.preempt_all()
        return ended

    def resume(
        self, num_blocks: int, block_size: int, max_model_len: int, max_draft_tokens: int = 0
    ) -> ClientOutputs:
        """Go on with another worker, whose KV memory is empty. Ends what it has no room for."""
        self._admission.speculation.max_draft_tokens = max_draft_tokens
        self._intake.max_model_len = min(max_model_len, num_blocks * block_size)
        self._kv_cache.reset(num_blocks, block_size)
        ended: ClientOutputs = defaultdict(list)
        for request in list(self._reception.requests.values()):
            for sequence in fit_to(request, self.max_model_len):
                error = no_room(sequence, self.max_model_len)
                last_words = self._endings.end(sequence, FinishReason.ERROR, error)
                ended[request.key.client].append(last_words)
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
