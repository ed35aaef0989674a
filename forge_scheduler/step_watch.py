"""StepWatch: when the worker has been at a step for so long that it must be hung.

    limit = what was asked for, or the larger of 20 s and 10 × what such a step may take

A worker whose loop hangs, or whose kernel never returns, still answers heartbeats; so its work is
watched. What a step may take is learnt from earlier ones, from the slowest of about as many tokens;
of a number not seen yet it is bounded: more tokens take longer, and no longer than in proportion.
Busy is not hung, so before anything was learnt there are minutes, as first steps compile kernels.
Asks a clock when it is asked; knows no worker and nothing of what a step computes.
"""

from __future__ import annotations

import time
from collections import deque

from forge_scheduler.stats import Clock

MIN_LIMIT_S = 20.0
FACTOR = 10.0
FIRST_LIMIT_S = 300.0
FIRST_LIMIT_TOKEN_S = 0.5  # and for each token of a first step, on a slow machine
FADING = 0.99  # of the slowest step at each later one, so that one bad moment is forgotten
MAX_LATE_S = 1.0


class StepWatch:
    """Steps are answered in the order in which they are sent; one begins when that before it ends.

    `timeout_s` of None means that the limit is learnt.
    """

    def __init__(self, timeout_s: float | None, clock: Clock = time.monotonic) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._num_tokens: deque[int] = deque()  # of each step in flight, the oldest first
        self._began_at_s = clock()
        self._due_at_s = clock()
        self._slowest_s: dict[int, float] = {}  # by the number of bits of a number of tokens

    @property
    def remaining_s(self) -> float | None:
        """Until the oldest step is overdue; None while there is none."""
        return max(self._due_at_s - self._clock(), 0.0) if self._num_tokens else None

    def sent(self, num_tokens: int) -> None:
        self._num_tokens.append(num_tokens)
        if len(self._num_tokens) == 1:
            self._begin_oldest()

    def answered(self) -> None:
        """The oldest step is done."""
        num_tokens = self._num_tokens.popleft()
        size, took_s = num_tokens.bit_length(), self._clock() - self._began_at_s
        self._slowest_s[size] = max(took_s, FADING * self._slowest_s.get(size, 0.0))
        if self._num_tokens:
            self._begin_oldest()

    def clear(self) -> None:
        """No step in flight will be answered."""
        self._num_tokens.clear()

    def is_overdue(self) -> bool:
        """To be asked once all that came from the worker was received.

        Where nobody asked in time, this process stood still itself, and the worker may have stood
        still beside it: then the step has its time once more.
        """
        if not self._num_tokens or (late_s := self._clock() - self._due_at_s) < 0:
            return False
        if late_s > MAX_LATE_S:
            self._begin_oldest()
            return False
        return True

    def limit_s(self, num_tokens: int) -> float:
        if self._timeout_s is not None:
            return self._timeout_s
        if not self._slowest_s:
            return FIRST_LIMIT_S + FIRST_LIMIT_TOKEN_S * num_tokens
        return max(MIN_LIMIT_S, FACTOR * self._longest_s(num_tokens))

    def _longest_s(self, num_tokens: int) -> float:
        size = num_tokens.bit_length()
        if size in self._slowest_s:
            return self._slowest_s[size]
        return min(
            slowest_s * max(1.0, num_tokens / (1 << known - 1))
            for known, slowest_s in self._slowest_s.items()
        )

    def _begin_oldest(self) -> None:
        self._began_at_s = self._clock()
        self._due_at_s = self._began_at_s + self.limit_s(self._num_tokens[0])
