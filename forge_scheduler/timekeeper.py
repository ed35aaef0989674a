"""Timekeeper: where the time of a request went, for those requests that ask.

    arrival ── first step ── first token ── … ── this token
       └─ queue ──┘└─ prefill ──┘└──── decode ─────┘        steps, and forward passes within them

Nobody else's sequences are looked at, and nothing is while nobody asks. What a step's forward pass
took is the worker's own word. Knows nothing of queues, blocks or why anything took long.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from forge_common.protocol.api_scheduler import SequenceOutput, SequenceTimes
from forge_common.protocol.scheduler_worker import BatchOutput, SampledSequence, ScheduledSequence
from forge_scheduler.batch import Batch, num_accepted_tokens
from forge_scheduler.sequence import Sequence
from forge_scheduler.stats import Clock


@dataclass(slots=True)
class Phase:
    """Steps that were answered, and how long their forward passes took."""

    num_steps: int = 0
    forward_s: float = 0.0


class Watch:
    """Over one sequence."""

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self._prefill = Phase()
        self._decode = Phase()
        self._num_draft_tokens = 0
        self._num_accepted_tokens = 0
        self._first_token_at_s: float | None = None

    def take(
        self, scheduled: ScheduledSequence, sampled: SampledSequence, forward_s: float
    ) -> None:
        phase = self._prefill if self._first_token_at_s is None else self._decode
        phase.num_steps += 1
        phase.forward_s += forward_s
        self._num_draft_tokens += len(scheduled.draft_token_ids)
        self._num_accepted_tokens += num_accepted_tokens(sampled)

    def times(self, now_s: float) -> SequenceTimes:
        """With its output at `now_s`."""
        if self._first_token_at_s is None:
            self._first_token_at_s = now_s
        sequence = self._sequence
        queue_s = sequence.queue_s or 0.0
        first_step_at_s = sequence.request.arrived_at_s + queue_s
        return SequenceTimes(
            queue_s=queue_s,
            prefill_s=self._first_token_at_s - first_step_at_s,
            decode_s=now_s - self._first_token_at_s,
            num_prefill_steps=self._prefill.num_steps,
            num_decode_steps=self._decode.num_steps,
            prefill_forward_s=self._prefill.forward_s,
            decode_forward_s=self._decode.forward_s,
            num_draft_tokens=self._num_draft_tokens,
            num_accepted_tokens=self._num_accepted_tokens,
            num_preemptions=sequence.num_preemptions,
            num_resumptions=sequence.num_resumptions,
        )


class Timekeeper:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._watches: dict[Sequence, Watch] = {}

    def follow(self, sequences: Iterable[Sequence]) -> None:
        """From before their first step."""
        self._watches.update((sequence, Watch(sequence)) for sequence in sequences)

    def forget(self, sequence: Sequence) -> None:
        self._watches.pop(sequence, None)

    def take(self, batch: Batch, output: BatchOutput) -> None:
        """The answer to a step, before anybody learns of its tokens."""
        if not self._watches:
            return
        for sequence, scheduled, sampled in zip(
            batch.sequences, batch.scheduled, output.sequences, strict=True
        ):
            watch = self._watches.get(sequence)
            if watch is not None:
                watch.take(scheduled, sampled, output.forward_s)

    def signed(self, sequence: Sequence, output: SequenceOutput) -> SequenceOutput:
        """The output, with the times of a sequence that is followed."""
        watch = self._watches.get(sequence)
        return output if watch is None else replace(output, times=watch.times(self._clock()))
