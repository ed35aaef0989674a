"""PendingStep: all that must be remembered of a step that was launched, to answer it later.

By the time its results come, sequences of it may be gone and their rows given to others; so what
the answer needs is copied here at launch. Knows no device.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_common.protocol.message import Failure
from forge_common.protocol.scheduler_worker import RunBatch
from forge_worker.cuda.sampled_places import SampledPlaces, sampled_places
from forge_worker.forward_inputs import IntArray
from forge_worker.scheduled_rows import ScheduledRows
from forge_worker.sequence_mirror import SequenceMirror


class ScoredTokens(NamedTuple):
    """Prompt tokens whose logprobs are asked for, one element each."""

    places: IntArray  # of the step's token that comes before it
    owners: IntArray  # the scheduled sequence
    token_ids: IntArray
    num_entries: IntArray  # as CudaLogprobs.score wants it


class PendingStep(NamedTuple):
    step_id: int
    sequence_ids: list[int]
    scheduled: ScheduledRows
    query_starts: IntArray  # [num_scheduled + 1]
    sampling: IntArray  # the scheduled sequences that sample
    sampled: SampledPlaces  # their rows
    unfinished: IntArray  # the others
    scored: ScoredTokens
    errors: list[Failure | None]  # by scheduled sequence, known before it ran
    num_logprobs: list[int | None]  # by scheduled sequence
    num_prompt_logprobs: list[int | None]

    @property
    def num_tokens(self) -> int:
        return int(self.query_starts[-1])

    @property
    def num_sampled(self) -> int:
        """Rows."""
        return len(self.sampled.owners)

    @property
    def only_decodes(self) -> bool:
        """Every sequence runs its last known token and samples the next."""
        return self.num_tokens == len(self.sampling)

    @property
    def only_samples(self) -> bool:
        """Likewise, but that some have drafts to run besides."""
        return self.num_tokens == self.num_sampled

    @property
    def num_sampled_entries(self) -> IntArray:
        """As CudaLogprobs.score wants it, for each row that is sampled."""
        counts = [self.num_logprobs[owner] for owner in self.sampled.owners.tolist()]
        return np.array([_num_entries(count) for count in counts], np.int32)


def pending_step(batch: RunBatch, scheduled: ScheduledRows, mirror: SequenceMirror) -> PendingStep:
    query_starts = np.zeros(len(scheduled.rows) + 1, np.int32)
    np.cumsum(scheduled.num_scheduled_tokens, out=query_starts[1:])
    rows = scheduled.rows.tolist()
    params = [mirror.params[row] for row in rows]
    vocab_size = mirror.limits.vocab_size
    sampling = np.flatnonzero(scheduled.is_sampling).astype(np.int32)
    num_prompt_logprobs = [_at_most(param.num_prompt_logprobs, vocab_size) for param in params]
    return PendingStep(
        step_id=batch.step_id,
        sequence_ids=[sequence.sequence_id for sequence in batch.scheduled],
        scheduled=scheduled,
        query_starts=query_starts,
        sampling=sampling,
        sampled=sampled_places(mirror, scheduled, sampling),
        unfinished=np.flatnonzero(~scheduled.is_sampling).astype(np.int32),
        scored=_scored_tokens(scheduled, query_starts, num_prompt_logprobs, mirror),
        errors=[mirror.failures.get(row) for row in rows],
        num_logprobs=[_at_most(param.num_logprobs, vocab_size) for param in params],
        num_prompt_logprobs=num_prompt_logprobs,
    )


def _at_most(asked: int | None, limit: int) -> int | None:
    return None if asked is None else min(asked, limit)


def _num_entries(num_top: int | None) -> int:
    return 0 if num_top is None else 1 + num_top


def _scored_tokens(
    scheduled: ScheduledRows,
    query_starts: IntArray,
    num_prompt_logprobs: list[int | None],
    mirror: SequenceMirror,
) -> ScoredTokens:
    found: list[list[int]] = [[], [], [], []]
    for owner, num_top in enumerate(num_prompt_logprobs):
        if num_top is not None:
            row, first = int(scheduled.rows[owner]), int(scheduled.num_computed_tokens[owner])
            last = min(int(scheduled.context_lens[owner]), int(mirror.num_prompt_tokens[row]) - 1)
            count, start = max(0, last - first), int(query_starts[owner])
            found[0] += range(start, start + count)
            found[1] += [owner] * count
            found[2] += mirror.token_ids.values[row, first + 1 : first + 1 + count].tolist()
            found[3] += [_num_entries(num_top)] * count
    return ScoredTokens(*(np.array(values, np.int32) for values in found))
