"""StepBudget: how much of the processor's time grammars may still take from a step.

Refilled step by step, in proportion to what steps take, and saved up to a burst. Knows no grammar.
"""

from __future__ import annotations

import math
from time import process_time
from typing import NamedTuple


class Pace(NamedTuple):
    """Of the processor's time that grammars may take from a step."""

    refill_s: float = 0.010  # more of it in each step, at least
    share: float = 0.1  # of the time that steps take: more for steps that are long anyway
    burst_s: float = 0.030  # at most in one step
    attempt_s: float = 0.004  # for one row, before its time is sliced
    slice_s: float = 0.004
    max_long: int = 8  # masks that are worked out in slices; each may hold much memory
    cheap_s: float = 0.050  # who owes less may take the place of one
    costly_s: float = 0.200  # that owes more
    forgiven_s: float = 0.002  # of a row's debt, for each token


UNHURRIED = Pace(refill_s=math.inf, burst_s=math.inf, attempt_s=math.inf)


class StepBudget:
    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.left_s = pace.burst_s
        self.num_delayed = 0  # rows of this step that wait for their masks
        self._num_sequences = 0
        self._step_began_s = process_time()

    def begin_step(self, num_sequences: int) -> None:
        """One of so many sequences. Where the last one gave nobody a token, nobody waits."""
        now_s = process_time()
        refill_s = max(self._pace.refill_s, self._pace.share * (now_s - self._step_began_s))
        burst_s = self._pace.burst_s
        is_alone = self.num_delayed >= self._num_sequences
        self.left_s = burst_s if is_alone else min(max(self.left_s, 0.0) + refill_s, burst_s)
        self._num_sequences, self.num_delayed = num_sequences, 0
        self._step_began_s = now_s

    def spend(self, seconds: float) -> None:
        self.left_s -= seconds

    def at_most(self, limit_s: float) -> float:
        """As much of `limit_s` as there is."""
        return min(limit_s, max(self.left_s, 0.0))
