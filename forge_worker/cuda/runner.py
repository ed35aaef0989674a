"""CudaRunner: steps queued on a device one behind the other, answered when they are done.

    RunBatch ─▶ mirror ─▶ changes, header ─▶ [ graph │ kernel by kernel ] ─▶ download ─▶ event
                                                                    later ─▶ BatchOutput

The host never waits: a step's tokens stay on the device, where the next step finds them, and what
the host must know of them it reads when the event has passed. Knows no sockets and no kernel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import NamedTuple

import numpy as np

from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch, SampledSequence
from forge_worker.constraints import Constraints
from forge_worker.cuda.completion import CompletionWatch
from forge_worker.cuda.device import Event
from forge_worker.cuda.pending_step import PendingStep, pending_step
from forge_worker.cuda.step_answers import answer
from forge_worker.cuda.step_queue import StepQueue
from forge_worker.cuda.step_results import Results
from forge_worker.sequence_mirror import SequenceMirror

MAX_IN_FLIGHT = 4  # sets of pinned results


class InFlight(NamedTuple):
    pending: PendingStep
    results: Results
    event: Event
    launched: float


class CudaRunner:
    def __init__(self, mirror: SequenceMirror, queue: StepQueue, constraints: Constraints) -> None:
        self.mirror = mirror
        self._queue = queue
        self._constraints = constraints
        self._free_results = [queue.results.allocate_host() for _ in range(MAX_IN_FLIGHT)]
        self._in_flight: deque[InFlight] = deque()
        self._outputs: list[BatchOutput] = []
        self._watch: Callable[[Event], None] = lambda event: None
        self._last_end = 0.0

    def launch(self, batch: RunBatch) -> None:
        scheduled = self.mirror.apply(batch)
        pending = pending_step(batch, scheduled, self.mirror)
        if not self._free_results:
            self._take_oldest()
        results = self._free_results.pop()
        launched = perf_counter()
        pending = self._constrained(pending)
        event = self._queue.run(pending, results)
        # Which tokens these are only the device knows as yet; the host counts them.
        sampling_rows = scheduled.rows[pending.sampling]
        self.mirror.append(sampling_rows, np.zeros(len(sampling_rows), np.int64))
        self._in_flight.append(InFlight(pending, results, event, launched))
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
        sequences = [self._followed(each) for each in answer(step.pending, step.results)]
        self._free_results.append(step.results)
        for sequence in sequences:
            if sequence.error is not None:
                self._fail(sequence.sequence_id, sequence.error)
        self._outputs.append(BatchOutput(step.pending.step_id, sequences, forward_s))

    def _constrained(self, pending: PendingStep) -> PendingStep:
        """Send up what the grammars of this step allow; with the errors of those that fail."""
        masks = self._constraints.masks(pending.scheduled.rows[pending.sampling].tolist())
        self._queue.upload_masks(masks.words)
        if not masks.errors:
            return pending
        rows = pending.scheduled.rows.tolist()
        errors = [
            masks.errors.get(row, error) for row, error in zip(rows, pending.errors, strict=True)
        ]
        return pending._replace(errors=errors)

    def _followed(self, sampled: SampledSequence) -> SampledSequence:
        """Let its grammar, if it has one, know the token; it may fail by that."""
        row = self.mirror.row_of(sampled.sequence_id)
        if row is None or not sampled.token_ids:
            return sampled
        problems = self._constraints.advance([row], sampled.token_ids)
        if row not in problems:
            return sampled
        return SampledSequence(sampled.sequence_id, [], error=problems[row])

    def _fail(self, sequence_id: int, reason: str) -> None:
        """Its later steps answer the same; it may be gone already."""
        row = self.mirror.row_of(sequence_id)
        if row is not None:
            self.mirror.fail(row, reason)
