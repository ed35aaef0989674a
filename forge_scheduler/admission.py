"""Admission: may a sequence run, how many of its tokens, and whom that costs its place.

Owns those that wait, those that run and the KV cache between them. A sequence starts only when all
its known tokens find blocks, and when each running one could still take another block; so chunks
never wait for blocks, and only decoding past them preempts. Drafts take what is left over: they
preempt nobody. Knows nothing of what requests are, of steps in flight beyond their number, or of
what tokens mean.
"""

from __future__ import annotations

from forge_common.protocol.scheduler_worker import max_sampled_rows
from forge_scheduler.batch import Batch
from forge_scheduler.kv_cache.manager import KVCacheManager, PrefixMatch
from forge_scheduler.policy import Policy
from forge_scheduler.sequence import Sequence, SequenceStatus
from forge_scheduler.speculation import Speculation, StepLoad
from forge_scheduler.stats import Counters
from forge_scheduler.waiting_queue import RankedSequences, WaitingQueue


class Admission:
    """Moves sequences between the waiting queue and the running ones, and fills batches."""

    def __init__(
        self,
        max_batch_size: int,
        waiting: WaitingQueue,
        kv_cache: KVCacheManager,
        policy: Policy,
        counters: Counters,
    ) -> None:
        self.waiting = waiting
        self.speculation = Speculation(max_draft_tokens=0)
        self.running = RankedSequences()
        self._max_batch_size = max_batch_size
        self._max_sampled_rows = max_sampled_rows(max_batch_size)
        self._kv_cache = kv_cache
        self._policy = policy
        self._counters = counters
        self._released: list[int] = []

    def fill(self, batch: Batch) -> None:
        """Spend the batch's token budget: first on those that run, then on those that wait."""
        self._displace_for_first_waiting()
        self._add_running(batch)
        self._add_waiting(batch)

    def take_released(self) -> list[int]:
        """Ids of sequences that lost their blocks since the last call, for the worker to forget."""
        released, self._released = self._released, []
        return released

    def withdraw(self, sequence: Sequence) -> None:
        """Take a sequence from where it stands, and its blocks from it."""
        if sequence.status is not SequenceStatus.RUNNING:
            self.waiting.remove(sequence)
            return
        self.running.remove(sequence)
        self._kv_cache.release(sequence)
        self._released.append(sequence.sequence_id)

    def preempt_all(self) -> int:
        """Their worker is lost: all that ran wait again, and nobody is left to forget them."""
        num_preempted = len(self.running)
        while len(self.running) > 0:
            self.running[-1].num_resumptions += 1
            self._send_back(self.running[-1])
        self._released = []
        return num_preempted

    def _add_running(self, batch: Batch) -> None:
        """Whoever stands behind a long chunk still gets one token of the budget."""
        num_behind = len(self.running)
        may_draft = self.speculation.can_gain(num_running=num_behind)
        for sequence in self.running:  # losing its end to preemption is no harm to this loop
            if batch.token_budget == 0:
                return
            num_behind -= 1
            budget = max(batch.token_budget - num_behind, 1)
            num_tokens = min(sequence.num_tokens_to_run, budget)
            if num_tokens > 0:
                new_block_ids = self._make_room(sequence, num_tokens)
                if new_block_ids is not None:
                    decodes = may_draft and num_tokens == 1
                    drafts = self._draft(sequence, budget, batch) if decodes else []
                    new_block_ids += self._place_drafts(sequence, len(drafts))
                    batch.add(sequence, num_tokens, new_block_ids, drafts)

    def _draft(self, sequence: Sequence, budget: int, batch: Batch) -> list[int]:
        """Drafts for one that decodes, as far as what is left beyond its one token goes."""
        num_places = self._kv_cache.num_free_places(sequence, len(self.running))
        load = StepLoad(len(self.running), batch.num_draft_tokens)
        num_free_rows = self._max_sampled_rows - len(self.running) - batch.num_draft_tokens
        max_tokens = min(budget - 1, num_places - 1, num_free_rows)
        return self.speculation.draft(sequence, load, max_tokens)

    def _place_drafts(self, sequence: Sequence, num_drafts: int) -> list[int]:
        num_placed = sequence.num_computed_tokens + 1 + num_drafts
        return self._kv_cache.grow(sequence, num_placed) or [] if num_drafts else []

    def _make_room(self, sequence: Sequence, num_tokens: int) -> list[int] | None:
        """Its new blocks, taken from the last in rank if need be; None when that is itself."""
        num_placed = sequence.num_computed_tokens + num_tokens
        while (new_block_ids := self._kv_cache.grow(sequence, num_placed)) is None:
            if self._preempt_last() is sequence:
                return None
        return new_block_ids

    def _add_waiting(self, batch: Batch) -> None:
        """Strictly in order: nobody overtakes the first because its prompt is shorter."""
        if len(self.waiting) == 0:
            return
        num_spare_blocks = self._num_spare_blocks()
        while batch.token_budget > 0 and self._has_seat:
            first = self._first_ready()
            if first is None:
                return
            match = self._kv_cache.match(first)
            if not self._kv_cache.can_start(first, match, num_spare_blocks):
                return
            self._start(first, match, batch)
            num_spare_blocks += self._kv_cache.may_grow(first)

    def _displace_for_first_waiting(self) -> None:
        """Preempt from the end while the policy says that the first in the queue goes before."""
        first = self._first_ready()
        while first is not None and self._may_displace_last(first):
            match = self._kv_cache.match(first)
            if self._has_seat and self._kv_cache.can_start(first, match, self._num_spare_blocks()):
                return
            self._preempt_last()

    @property
    def _has_seat(self) -> bool:
        return len(self.running) < self._max_batch_size

    def _first_ready(self) -> Sequence | None:
        """One preempted in flight is not ready, since its next token is still to be read.

        Nor is one on trial while another one is.
        """
        first = self.waiting.first
        if first is None or first.num_steps_in_flight > 0:
            return None
        must_wait = first.is_on_trial and any(running.is_on_trial for running in self.running)
        return None if must_wait else first

    def _may_displace_last(self, waiting: Sequence) -> bool:
        return len(self.running) > 0 and self._policy.may_displace(waiting, self.running[-1])

    def _num_spare_blocks(self) -> int:
        """One for each that may still need another: starting a sequence must not evict it soon."""
        return sum(map(self._kv_cache.may_grow, self.running))

    def _start(self, sequence: Sequence, match: PrefixMatch, batch: Batch) -> None:
        self._count_start(sequence, match)
        self.waiting.remove(sequence)
        self.running.add(sequence)
        sequence.status = SequenceStatus.RUNNING
        new_block_ids = self._kv_cache.start(sequence, match)
        batch.introduce(sequence, is_speculative=self.speculation.may_draft(sequence))
        batch.add(sequence, min(sequence.num_tokens_to_run, batch.token_budget), new_block_ids)

    def _preempt_last(self) -> Sequence:
        sequence = self.running[-1]
        self._counters.num_preemptions += 1
        sequence.num_preemptions += 1
        self._send_back(sequence)
        return sequence

    def _send_back(self, sequence: Sequence) -> None:
        """It waits again, without blocks; it will be computed anew."""
        self.withdraw(sequence)
        sequence.status = SequenceStatus.PREEMPTED
        self.waiting.add(sequence)

    def _count_start(self, sequence: Sequence, match: PrefixMatch) -> None:
        counters, num_tokens = self._counters, len(sequence.token_ids)
        counters.num_prefix_queries += num_tokens if self._kv_cache.has_prefix_cache else 0
        counters.num_prefix_hits += match.num_tokens
        if sequence.status is SequenceStatus.WAITING:
            sequence.num_cached_tokens = match.num_tokens
            counters.num_prompt_tokens += num_tokens
            counters.num_cached_prompt_tokens += match.num_tokens
