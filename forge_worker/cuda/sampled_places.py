"""SampledPlaces: where a step samples, one row each; a sequence with drafts has several.

    known … t │ drafts 7 3 9        row 0 samples behind t, row 1 behind 7, row 2 behind 3, row 3
                                    behind 9: each takes the drafts before it for right

All rows run in one step; which of them count is found out when their tokens are known. Knows no
device.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_worker.forward_inputs import IntArray
from forge_worker.scheduled_rows import ScheduledRows
from forge_worker.sequence_mirror import SequenceMirror
from forge_worker.top_tokens import Mask


class SampledPlaces(NamedTuple):
    """Rows of one sequence follow one another."""

    starts: IntArray  # [num_sampling + 1], where the rows of each sequence that samples begin
    owners: IntArray  # [num_rows], the scheduled sequence
    assumed: IntArray  # [num_rows], drafts before it that are taken for right
    mask_rows: IntArray  # [num_rows], of the device's table: what its grammar allows there


def sampled_places(
    mirror: SequenceMirror, scheduled: ScheduledRows, sampling: IntArray
) -> SampledPlaces:
    """`sampling`: the scheduled sequences that sample."""
    starts = np.zeros(len(sampling) + 1, np.int32)
    counts = 1 + scheduled.num_draft_tokens[sampling]
    np.cumsum(counts, out=starts[1:])
    owners = np.repeat(sampling, counts)
    assumed = np.arange(len(owners), dtype=np.int32) - np.repeat(starts[:-1], counts)
    mask_rows = scheduled.rows[owners]
    if scheduled.has_drafts:
        has_own = _have_grammars(mirror, scheduled)[owners] & (assumed > 0)
        drafts = scheduled.draft_starts[owners] + assumed - 1
        mask_rows[has_own] = mask_row(mirror.limits.max_batch_size, 0) + drafts[has_own]
    return SampledPlaces(starts, owners, assumed, mask_rows)


def mask_row(max_batch_size: int, draft: int) -> int:
    """Of the device's table: where it stands what a grammar allows behind a draft of the step."""
    return max_batch_size + draft


def _have_grammars(mirror: SequenceMirror, scheduled: ScheduledRows) -> Mask:
    params = [mirror.params[row] for row in scheduled.rows.tolist()]
    return np.array([param.grammar is not None for param in params], np.bool_)
