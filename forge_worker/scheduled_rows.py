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

    def taking(self, owners: IntArray) -> ScheduledRows:
        """Those alone. None of all may have drafts."""
        return ScheduledRows(
            self.rows[owners],
            self.num_computed_tokens[owners],
            self.num_scheduled_tokens[owners],
            self.is_sampling[owners],
            self.num_draft_tokens[owners],
            self.draft_token_ids,
        )

    def without_sampling(self, owners: Sequence[int]) -> ScheduledRows:
        """Those compute what they have, and no more."""
        is_sampling = self.is_sampling.copy()
        is_sampling[list(owners)] = False
        return self._replace(is_sampling=is_sampling)

    def without_drafts(self) -> ScheduledRows:
        return self._replace(
            num_scheduled_tokens=self.num_scheduled_tokens - self.num_draft_tokens,
            num_draft_tokens=np.zeros_like(self.num_draft_tokens),
            draft_token_ids=self.draft_token_ids[:0],
        )
