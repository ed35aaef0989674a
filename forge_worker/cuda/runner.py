"""CudaRunner: steps queued on a device one behind the other, answered when they are done.

    RunBatch ─▶ mirror ─▶ changes, header ─▶ [ graph │ kernel by kernel ] ─▶ download ─▶ event
                                                                    later ─▶ BatchOutput

The host never waits: a step's tokens stay on the device, where the next step finds them, and what
the host must know of them it reads when the event has passed. How many a sequence with drafts has
got is such a thing; so it has no further step queued, as the scheduler sees to. Knows no sockets
and no kernel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch, SampledSequence
from forge_worker.constraints import Constraints
from forge_worker.cuda.completion import CompletionWatch
from forge_worker.cuda.device import Event
from forge_worker.cuda.draft_plan import DraftPlanner
from forge_worker.cuda.follow_up import FollowUp
from forge_worker.cuda.pending_step import PendingStep, pending_step
from forge_worker.cuda.step_answers import answer
from forge_worker.cuda.step_queue import StepQueue
from forge_worker.cuda.step_results import Results
from forge_worker.masks import Masks
from forge_worker.scheduled_rows import ScheduledRows
from forge_worker.sequence_mirror import SequenceMirror

MAX_IN_FLIGHT = 4  # sets of pinned results


class Split(NamedTuple):
    """A step without those that wait for their grammars."""

    batch: RunBatch
    scheduled: ScheduledRows
    delayed: frozenset[int]  # sequence ids; some of them may run, without being sampled


class InFlight(NamedTuple):
    pending: PendingStep
    sequence_ids: list[int]  # of all that are to be answered
    delayed: frozenset[int]
    results: Results
    event: Event
    launched: float


class CudaRunner:
    def __init__(self, mirror: SequenceMirror, queue: StepQueue, constraints: Constraints) -> None:
        self.mirror = mirror
        self._queue = queue
        self._constraints = constraints
        self._drafts = DraftPlanner(mirror, constraints)
        self._follow_up = FollowUp(mirror, constraints)
        self._free_results = [queue.results.allocate_host() for _ in range(MAX_IN_FLIGHT)]
        self._in_flight: deque[InFlight] = deque()
        self._outputs: list[BatchOutput] = []
        self._watch: Callable[[Event], None] = lambda event: None
        self._last_end = 0.0

    def launch(self, batch: RunBatch) -> None:
        scheduled = self.mirror.apply(batch)
        self._drafts.meet(batch)
        self._follow_up.meet(batch)
        self._constraints.begin_step(len(scheduled.rows))
        masks = self._constraints.masks(scheduled.rows[scheduled.is_sampling].tolist())
        plan = self._drafts.plan(batch, scheduled, masks)
        split = _split(batch, plan.scheduled, masks)
        pending = _with_errors(pending_step(split.batch, split.scheduled, self.mirror), masks)
        if not self._free_results:
            self._take_oldest()
        results = self._free_results.pop()
        launched = perf_counter()
        self._queue.upload_masks(masks.words | plan.words)
        event = self._queue.run(pending, results)
        self._count(pending)
        sequence_ids = [sequence.sequence_id for sequence in batch.scheduled]
        self._in_flight.append(
            InFlight(pending, sequence_ids, split.delayed, results, event, launched)
        )
        self._watch(event)

    def finished(self) -> list[BatchOutput]:
        while self._in_flight and self._in_flight[0].event.is_done():
            self._take_oldest()
        outputs, self._outputs = self._outputs, []
        return outputs

    def use_spare_time(self) -> None:
        """Record a graph for a size of batch that was met without one."""
        self._queue.record_graph()

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        with CompletionWatch(wake) as completion:
            self._watch = completion.watch
            yield

    def _take_oldest(self) -> None:
        """Wait for the oldest step, which most often is done, and answer it."""
        step = self._in_flight.popleft()
        step.event.wait()
        now = perf_counter()
        forward_s = now - max(step.launched, self._last_end)
        self._last_end = now
        sequences = answer(step.pending, step.results)
        self._free_results.append(step.results)
        for each in sequences:
            if each.is_delayed:
                self._drafts.distrust(each.sequence_id)
        followed = self._follow_up.take_in(step.pending, sequences)
        answered = {each.sequence_id: each for each in followed}
        all_of_them = [_answer_to(sequence_id, answered, step) for sequence_id in step.sequence_ids]
        self._outputs.append(BatchOutput(step.pending.step_id, all_of_them, forward_s))

    def _count(self, pending: PendingStep) -> None:
        """Which tokens a step gives only the device knows as yet; and with drafts, how many."""
        scheduled, sampling = pending.scheduled, pending.sampling
        rows = scheduled.rows[sampling[scheduled.num_draft_tokens[sampling] == 0]]
        self.mirror.append(rows, np.zeros(len(rows), np.int64))


def _split(batch: RunBatch, scheduled: ScheduledRows, masks: Masks) -> Split:
    """Who waits for its grammar is left out; unless it has more to compute than its last token, or
    nobody is left then."""
    owners = masks.delayed_of(scheduled.rows)
    if not owners:
        return Split(batch, scheduled, frozenset())
    delayed = frozenset(batch.scheduled[owner].sequence_id for owner in owners)
    is_run = scheduled.num_scheduled_tokens > 1
    is_run[list(set(range(len(is_run))).difference(owners))] = True
    if not is_run.any():
        is_run[:] = True
    kept = np.flatnonzero(is_run).astype(np.int32)
    parts = [batch.scheduled[owner] for owner in kept.tolist()]
    return Split(
        replace(batch, scheduled=parts),
        scheduled.without_sampling(owners).taking(kept),
        delayed,
    )


def _with_errors(pending: PendingStep, masks: Masks) -> PendingStep:
    """Of those whose grammars fail."""
    if not masks.errors:
        return pending
    rows = pending.scheduled.rows.tolist()
    errors = [masks.errors.get(row, error) for row, error in zip(rows, pending.errors, strict=True)]
    return pending._replace(errors=errors)


def _answer_to(
    sequence_id: int, answered: Mapping[int, SampledSequence], step: InFlight
) -> SampledSequence:
    found = answered.get(sequence_id) or SampledSequence(sequence_id, [])
    is_delayed = sequence_id in step.delayed and found.error is None
    return replace(found, is_delayed=True) if is_delayed else found
