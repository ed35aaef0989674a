"""DraftPlanner: which drafts of a step are run, and what grammars allow behind them.

Left out are those that cannot be right (their grammar does not allow them), those behind which it
would take long to find out what may come, and those for which the step has no room. So are all of a
sequence that has no mask yet, that has more to compute than its last token, or whose drafts once
made its own states no numbers. A draft left out is a draft rejected: nobody is told. Knows no
device.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_common.protocol.scheduler_worker import RunBatch
from forge_worker.constraints import Constraints
from forge_worker.cuda.sampled_places import mask_row
from forge_worker.forward_inputs import IntArray
from forge_worker.masks import Masks
from forge_worker.sampler.grammar_mask import MaskWords
from forge_worker.scheduled_rows import ScheduledRows
from forge_worker.sequence_mirror import SequenceMirror


class DraftPlan(NamedTuple):
    scheduled: ScheduledRows  # with the drafts that are run
    words: dict[int, MaskWords]  # by row of the device's table of masks


class DraftPlanner:
    def __init__(self, mirror: SequenceMirror, constraints: Constraints) -> None:
        self._mirror = mirror
        self._constraints = constraints
        self._distrusted: set[int] = set()  # sequence ids

    def meet(self, batch: RunBatch) -> None:
        """Forget whom it releases, and begin anew with whom it introduces."""
        self._distrusted.difference_update(batch.released)
        self._distrusted.difference_update(new.sequence_id for new in batch.new)

    def distrust(self, sequence_id: int) -> None:
        """One of its drafts has states that are no numbers: run no more of them."""
        self._distrusted.add(sequence_id)

    def plan(self, batch: RunBatch, scheduled: ScheduledRows, masks: Masks) -> DraftPlan:
        """`masks`: of the rows of `scheduled` that sample."""
        if not scheduled.has_drafts:
            return DraftPlan(scheduled, {})
        counts = self._fitting(scheduled, self._trusted(batch, scheduled, masks))
        words = self._words_behind(scheduled, counts)
        for owner, found in words.items():
            counts[owner] = len(found)
        kept = scheduled.keeping_drafts(counts)
        starts, first = kept.draft_starts, self._mirror.limits.max_batch_size
        return DraftPlan(
            kept,
            {
                mask_row(first, int(starts[owner]) + index): mask
                for owner, found in words.items()
                for index, mask in enumerate(found)
            },
        )

    def _trusted(self, batch: RunBatch, scheduled: ScheduledRows, masks: Masks) -> IntArray:
        """How many of each, where all or none are run."""
        counts = scheduled.num_draft_tokens.copy()
        counts[scheduled.num_scheduled_tokens - counts > 1] = 0
        barred = masks.delayed | masks.errors.keys() | self._mirror.failures.keys()
        for owner, (part, row) in enumerate(
            zip(batch.scheduled, scheduled.rows.tolist(), strict=True)
        ):
            if part.sequence_id in self._distrusted or row in barred:
                counts[owner] = 0
        return counts

    def _fitting(self, scheduled: ScheduledRows, counts: IntArray) -> IntArray:
        room = self._mirror.limits.max_sampled_rows - np.count_nonzero(scheduled.is_sampling)
        before = np.cumsum(counts, dtype=np.int32) - counts
        fitting: IntArray = np.clip(room - before, 0, counts).astype(np.int32)
        return fitting

    def _words_behind(
        self, scheduled: ScheduledRows, counts: IntArray
    ) -> dict[int, list[MaskWords]]:
        """By scheduled sequence, where it has a grammar and `counts` some drafts."""
        rows = scheduled.rows
        return {
            owner: self._constraints.masks_behind(
                int(rows[owner]), scheduled.drafts_of(owner)[: counts[owner]].tolist()
            )
            for owner in np.flatnonzero(counts).tolist()
            if self._constraints.has_grammar(int(rows[owner]))
        }
