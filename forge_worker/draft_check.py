"""DraftCheck: which sequences of a step sample once more, because their drafts were right so far.

    drafts   7 3 9        sampled   7 3 5    the first two are accepted, and 5 comes after them

Knows nothing of how a token is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from forge_worker.batch_inputs import BatchInputs
from forge_worker.forward_inputs import IntArray
from forge_worker.scheduled_rows import ScheduledRows
from forge_worker.top_tokens import TokenArray


class DraftCheck:
    """At first all that sample go on; `advance` leaves those whose next draft was drawn."""

    def __init__(self, scheduled: ScheduledRows, inputs: BatchInputs) -> None:
        counts = scheduled.num_draft_tokens
        self._token_ids = scheduled.draft_token_ids
        self._num_left = counts[inputs.sampling]
        self._next = self._num_left
        if len(self._token_ids):
            self._next = (np.cumsum(counts, dtype=np.int32) - counts)[inputs.sampling]
        self.owners: IntArray = inputs.sampling  # the scheduled sequences that go on
        self.logit_places: IntArray = inputs.sampled_starts[:-1]  # among the rows that sample
        self.is_first = True
        self.positions: IntArray = scheduled.context_lens[self.owners] - self._num_left

    def advance(self, token_ids: TokenArray) -> None:
        """`token_ids` [num_going] were drawn."""
        if not len(self._token_ids):
            self.owners = self.owners[:0]
            return
        may_go_on = np.flatnonzero(self._num_left)
        drafts = self._token_ids[self._next[may_go_on]]
        self._keep(may_go_on[token_ids[may_go_on] == drafts])
        self.is_first = False
        self.logit_places = self.logit_places + 1
        self.positions = self.positions + 1
        self._num_left = self._num_left - 1
        self._next = self._next + 1

    def drop(self, indices: Sequence[int]) -> None:
        """Those end with the drafts they have."""
        self._keep(np.delete(np.arange(len(self.owners)), indices))

    def _keep(self, indices: npt.NDArray[np.integer]) -> None:
        self.owners = self.owners[indices]
        self.logit_places = self.logit_places[indices]
        self.positions = self.positions[indices]
        self._num_left = self._num_left[indices]
        self._next = self._next[indices]
