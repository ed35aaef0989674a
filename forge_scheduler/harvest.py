"""Harvest: takes in what a step gave each of its sequences, and says what their clients get of it.

Knows nothing of other steps, of queues, or of when a step is planned.
"""

from __future__ import annotations

from collections import defaultdict

from forge_common.protocol.api_scheduler import SequenceOutput
from forge_common.protocol.scheduler_worker import BatchOutput, SampledSequence, ScheduledSequence
from forge_common.sampling import FinishReason
from forge_scheduler import outputs
from forge_scheduler.admission import Admission
from forge_scheduler.batch import Batch, num_accepted_tokens, num_computed_tokens
from forge_scheduler.endings import Endings
from forge_scheduler.kv_cache.manager import KVCacheManager
from forge_scheduler.outputs import ClientOutputs
from forge_scheduler.sequence import Sequence, SequenceStatus
from forge_scheduler.stats import Counters
from forge_scheduler.timekeeper import Timekeeper


class Harvest:
    def __init__(
        self,
        admission: Admission,
        kv_cache: KVCacheManager,
        endings: Endings,
        timekeeper: Timekeeper,
        counters: Counters,
    ) -> None:
        self._admission = admission
        self._kv_cache = kv_cache
        self._endings = endings
        self._timekeeper = timekeeper
        self._counters = counters

    def take(self, batch: Batch, output: BatchOutput) -> ClientOutputs:
        """`output` answers `batch`, as `Batch.check_answer` has found."""
        self._timekeeper.take(batch, output)
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

    def _take_in(
        self, sequence: Sequence, scheduled: ScheduledSequence, sampled: SampledSequence
    ) -> SequenceOutput | None:
        if sampled.error is not None:
            return self._endings.end(sequence, FinishReason.ERROR, sampled.error)
        outputs.keep_prompt_logprobs(sequence, scheduled, sampled)
        if sampled.is_delayed:
            self._counters.num_delayed += 1
            sequence.put_back()
        is_sampled = scheduled.is_sampling and not sampled.is_delayed
        sequence_output = outputs.accept(sequence, sampled) if is_sampled else None
        self._take_in_computed(sequence, num_computed_tokens(scheduled, sampled))
        if sequence_output is None:
            return None
        if sequence.request.held:
            self._admission.waiting.add_held(sequence.request)
        self._counters.num_output_tokens += len(sequence_output.token_ids)
        if scheduled.draft_token_ids or sampled.forced_token_ids or sequence.foretold is not None:
            self._take_in_drafts(sequence, scheduled, sampled)
        timed_output = self._timekeeper.signed(sequence, sequence_output)
        if sequence_output.finish_reason is not None:
            self._endings.finish(sequence, sequence_output.finish_reason)
        return timed_output

    def _take_in_drafts(
        self, sequence: Sequence, scheduled: ScheduledSequence, sampled: SampledSequence
    ) -> None:
        counters, drafted = self._counters, scheduled.draft_token_ids
        counters.num_draft_tokens += len(drafted)
        counters.num_accepted_tokens += num_accepted_tokens(sampled)
        forced = self._admission.speculation.take_in(sequence, drafted, sampled)
        counters.num_forced_draft_tokens += forced.num_drafted
        counters.num_accepted_forced_tokens += forced.num_accepted

    def _take_in_computed(self, sequence: Sequence, num_tokens: int) -> None:
        sequence.has_computed(num_tokens)
        if sequence.status is SequenceStatus.RUNNING:
            self._kv_cache.commit(sequence, min(num_tokens, len(sequence.token_ids)))
