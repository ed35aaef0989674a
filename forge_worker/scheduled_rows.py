"""ScheduledRows: what a step runs, as arrays by row of the mirror.

Knows nothing of tokens that were put out before, nor of blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from forge_common.protocol.scheduler_worker import ScheduledSequence
from forge_worker.forward_inputs import IntArray
from forge_worker.top_tokens import Mask


class ScheduledRows(NamedTuple):
    """The scheduled sequences of a step as arrays, in its order."""

    rows: IntArray  # distinct
    num_computed_tokens: IntArray
    num_scheduled_tokens: IntArray
    is_sampling: Mask
    num_draft_tokens: IntArray  # the last of those scheduled
    draft_token_ids: IntArray  # of all sequences, one behind the other

    @classmethod
    def of(
        cls, scheduled: Sequence[ScheduledSequence], rows: Sequence[int], max_model_len: int
    ) -> ScheduledRows:
        """Counts that are beyond `max_model_len`, and so wrong, are cut off just past it."""
        counts = [min(sequence.num_computed_tokens, max_model_len) for sequence in scheduled]
        sizes = [min(sequence.num_scheduled_tokens, max_model_len + 1) for sequence in scheduled]
        is_sampling = [sequence.is_sampling for sequence in scheduled]
        drafts = [sequence.draft_token_ids for sequence in scheduled]
        numbers = np.array([rows, counts, sizes, is_sampling, [*map(len, drafts)]], np.int32)
        return cls(
            numbers[0],
            numbers[1],
            numbers[2],
            numbers[3].astype(np.bool_),
            numbers[4],
            np.array([*chain.from_iterable(drafts)], np.int32),
        )

    @property
    def context_lens(self) -> IntArray:
        """Drafts included."""
        return self.num_computed_tokens + self.num_scheduled_tokens

    @property
    def has_drafts(self) -> bool:
        return len(self.draft_token_ids) > 0

    @property
    def num_known_tokens(self) -> IntArray:
        """Of those that sample: all but their drafts."""
        return self.context_lens - self.num_draft_tokens

    @property
    def draft_starts(self) -> IntArray:
        """Where each one's begin among all drafts."""
        return np.cumsum(self.num_draft_tokens, dtype=np.int32) - self.num_draft_tokens

    def drafts_of(self, owner: int) -> IntArray:
        start = int(self.draft_starts[owner])
        return self.draft_token_ids[start : start + int(self.num_draft_tokens[owner])]

    def taking(self, owners: IntArray) -> ScheduledRows:
        """Those alone, in the order they have. Who is left out may have no drafts."""
        return ScheduledRows(
            self.rows[owners],
            self.num_computed_tokens[owners],
            self.num_scheduled_tokens[owners],
            self.is_sampling[owners],
            self.num_draft_tokens[owners],
            self.draft_token_ids,
        )

    def keeping_drafts(self, counts: IntArray) -> ScheduledRows:
        """Of each one's only the first `counts` [num_scheduled]."""
        indices = np.arange(len(self.draft_token_ids), dtype=np.int32)
        indices -= np.repeat(self.draft_starts, self.num_draft_tokens)
        is_kept = indices < np.repeat(counts, self.num_draft_tokens)
        return self._replace(
            num_scheduled_tokens=self.num_scheduled_tokens - self.num_draft_tokens + counts,
            num_draft_tokens=counts,
            draft_token_ids=self.draft_token_ids[is_kept],
        )

    def without_sampling(self, owners: Sequence[int]) -> ScheduledRows:
        """Those compute what they have, and no more."""
        is_sampling = self.is_sampling.copy()
        is_sampling[list(owners)] = False
        return self._replace(is_sampling=is_sampling)

    def without_drafts(self) -> ScheduledRows:
        return self.keeping_drafts(np.zeros_like(self.num_draft_tokens))
