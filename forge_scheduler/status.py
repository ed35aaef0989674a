"""Status: how far each sequence has come, for somebody who watches.

Counts and ids only: no token, no text. Knows nothing of blocks beyond how many a sequence owns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import chain, islice

from forge_common.protocol.api_scheduler import SchedulerStatus, SequencePhase, SequenceState
from forge_scheduler.kv_cache.block_map import empty_block_map
from forge_scheduler.sequence import Sequence, SequenceStatus
from forge_scheduler.stats import Clock

MAX_SEQUENCES = 256
NEWS_AFTER_S = 0.1


class RecentStatus:
    """What `make` gave lately: made ten times a second at most, however many ask and how often.

    Each costs milliseconds, for which nobody's next step is sent.
    """

    def __init__(self, make: Callable[[], SchedulerStatus], clock: Clock = time.monotonic) -> None:
        self._make = make
        self._clock = clock
        self._status: SchedulerStatus | None = None
        self._made_at_s = 0.0

    def get(self) -> SchedulerStatus:
        if self._status is None or self._clock() - self._made_at_s >= NEWS_AFTER_S:
            self._status = self._make()
            self._made_at_s = self._clock()
        return self._status


def states_of(
    running: Iterable[Sequence], waiting: Iterable[Sequence], now_s: float
) -> list[SequenceState]:
    """At most `MAX_SEQUENCES`, those that run first."""
    return [
        state_of(sequence, now_s) for sequence in islice(chain(running, waiting), MAX_SEQUENCES)
    ]


def state_of(sequence: Sequence, now_s: float) -> SequenceState:
    request = sequence.request
    return SequenceState(
        request_id=request.key.request_id,
        choice_index=sequence.choice_index,
        phase=phase_of(sequence.status),
        num_prompt_tokens=request.num_prompt_tokens,
        num_output_tokens=sequence.num_output_tokens,
        max_num_tokens=request.max_num_tokens,
        num_computed_tokens=sequence.num_computed_tokens,
        num_cached_tokens=sequence.num_cached_tokens,
        num_blocks=len(sequence.block_table),
        age_s=now_s - request.arrived_at_s,
    )


def phase_of(status: SequenceStatus) -> SequencePhase:
    """Of a sequence that has not ended."""
    return SequencePhase[status.name]


def starting_status() -> SchedulerStatus:
    """That of a scheduler that has had no worker yet."""
    return SchedulerStatus([], empty_block_map(), 0, 0.0)
