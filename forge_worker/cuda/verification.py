"""Which of the rows that a step sampled give a sequence its next tokens.

    drafts   7 3 9        sampled   7 3 5 8    rows 0, 1 and 2 count: behind 5, the draft was wrong

The kernel append_sampled goes by the same rule. Knows no device.
"""

from __future__ import annotations

import numpy as np

from forge_worker.cuda.pending_step import PendingStep
from forge_worker.cuda.sampler import RowStatus
from forge_worker.cuda.step_results import Results


def given_rows(pending: PendingStep, results: Results) -> list[range]:
    """Rows of the results, one range for each that samples.

    It has one row at least, which says why if the sequence fails. It has none where that row is not
    finite and drafts may be the reason: states of a draft show in those of the tokens before it,
    since weight 0 times what is no number is none either.
    """
    starts = pending.sampled.starts.tolist()
    if not pending.scheduled.has_drafts:
        return [range(start, start + 1) for start in starts[:-1]]
    counts = pending.scheduled.num_draft_tokens.tolist()
    return [
        _given(pending, results, index, counts[owner])
        for index, owner in enumerate(pending.sampling.tolist())
    ]


def _given(pending: PendingStep, results: Results, index: int, num_drafts: int) -> range:
    start = int(pending.sampled.starts[index])
    if num_drafts and results.statuses[start] == RowStatus.NOT_FINITE:
        return range(start, start)
    first_draft = start - index  # each that samples has one row more than drafts
    drafts = pending.scheduled.draft_token_ids[first_draft : first_draft + num_drafts]
    is_right = results.tokens[start : start + num_drafts] == drafts
    statuses = results.statuses[start : start + num_drafts + 1] == RowStatus.SOUND
    goes_on = is_right & statuses[:-1] & statuses[1:]
    return range(start, start + 1 + int(np.cumprod(goes_on).sum()))
