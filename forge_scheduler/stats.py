"""Stats: what the scheduler counts since it started, and how fast its queue moved lately.

Knows nothing of why anything happened, nor of metric names.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

from forge_common.protocol.api_scheduler import SchedulerStats, StepSizes, WorkerLoss
from forge_common.sampling import FinishReason

Clock = Callable[[], float]

PACE_WINDOW_S = 30.0
STEP_SIZE_BOUNDS = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)


@dataclass(slots=True)
class Counters:
    """Each only ever grows; prefix queries and hits are in tokens."""

    num_steps: int = 0
    num_prompt_tokens: int = 0
    num_cached_prompt_tokens: int = 0
    num_output_tokens: int = 0
    num_draft_tokens: int = 0
    num_accepted_tokens: int = 0  # of the drafts
    num_forced_draft_tokens: int = 0  # of the drafts, those that a grammar forced
    num_accepted_forced_tokens: int = 0
    num_preemptions: int = 0
    num_prefix_queries: int = 0
    num_prefix_hits: int = 0
    num_rejected: int = 0
    num_slow_clients: int = 0
    num_delayed: int = 0  # steps of sequences whose grammar was not worked out in time
    num_resumed: int = 0  # sequences that went on after a worker or a scheduler was lost
    num_worker_restarts: dict[WorkerLoss, int] = field(
        default_factory=lambda: dict.fromkeys(WorkerLoss, 0)
    )
    num_finished: dict[FinishReason, int] = field(
        default_factory=lambda: dict.fromkeys(FinishReason, 0)
    )


class StepMeter:
    """How many steps had how many tokens."""

    def __init__(self, bounds: tuple[int, ...] = STEP_SIZE_BOUNDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._num_tokens = 0

    def observe(self, num_tokens: int) -> None:
        self._counts[bisect_left(self._bounds, num_tokens)] += 1
        self._num_tokens += num_tokens

    def sizes(self) -> StepSizes:
        return StepSizes(list(self._bounds), list(self._counts), self._num_tokens)


class StepTimer:
    """How long the worker had a step to run: one sent behind another begins with its answer."""

    def __init__(self) -> None:
        self.num_steps = 0
        self.total_s = 0.0
        self._answered_at_s = -math.inf

    def observe(self, sent_at_s: float, answered_at_s: float) -> None:
        self.num_steps += 1
        self.total_s += answered_at_s - max(sent_at_s, self._answered_at_s)
        self._answered_at_s = answered_at_s


def stats_of(counters: Counters, step_sizes: StepSizes) -> SchedulerStats:
    """Those of a scheduler with nothing to do and nobody to do it; its state is to be filled in."""
    return SchedulerStats(
        num_waiting=0,
        num_running=0,
        num_waiting_tokens=0,
        num_blocks=0,
        num_free_blocks=0,
        last_step_age_s=None,
        oldest_waiting_age_s=None,
        is_worker_ready=False,
        worker_loss=None,
        steps_total=counters.num_steps,
        prompt_tokens_total=counters.num_prompt_tokens,
        cached_prompt_tokens_total=counters.num_cached_prompt_tokens,
        output_tokens_total=counters.num_output_tokens,
        draft_tokens_total=counters.num_draft_tokens,
        accepted_tokens_total=counters.num_accepted_tokens,
        forced_draft_tokens_total=counters.num_forced_draft_tokens,
        accepted_forced_tokens_total=counters.num_accepted_forced_tokens,
        preemptions_total=counters.num_preemptions,
        prefix_queries_total=counters.num_prefix_queries,
        prefix_hits_total=counters.num_prefix_hits,
        finished_total=dict(counters.num_finished),
        rejected_total=counters.num_rejected,
        slow_clients_total=counters.num_slow_clients,
        sequences_resumed_total=counters.num_resumed,
        worker_restarts_total=dict(counters.num_worker_restarts),
        step_sizes=step_sizes,
        grammar_delays_total=counters.num_delayed,
    )


def starting_stats() -> SchedulerStats:
    """Those of a scheduler that has had no worker yet."""
    return stats_of(Counters(), StepMeter().sizes())


class QueuePace:
    """How many prompt tokens started in a second, lately, while more of them waited.

    Only such time counts: what starts at once in an idle engine says nothing of how long a queue
    takes, and neither does a time in which nobody asked. Older seconds fade exponentially, one by
    one as others of their kind come.
    """

    def __init__(self, window_s: float = PACE_WINDOW_S) -> None:
        self._window_s = window_s
        self._started_tokens = 0.0
        self._waited_s = 0.0
        self._total = 0
        self._is_waiting = False
        self._last_s = 0.0

    def observe(self, now_s: float, total: int, is_waiting: bool) -> None:
        """A step was planned: `total` prompt tokens have started so far, and some still wait."""
        if self._is_waiting:
            elapsed_s = now_s - self._last_s
            kept = math.exp(-elapsed_s / self._window_s)
            self._started_tokens = self._started_tokens * kept + total - self._total
            self._waited_s = self._waited_s * kept + elapsed_s
        self._total, self._is_waiting, self._last_s = total, is_waiting, now_s

    def per_second(self, now_s: float) -> float:
        """0 while nothing is known."""
        waited_s = self._waited_s + (now_s - self._last_s if self._is_waiting else 0.0)
        return self._started_tokens / waited_s if waited_s > 0 else 0.0
