"""When the tokens of one request came: the observations behind the latency metrics.

    arrived ── submitted ── first step ── first token ──────────── last token ── finish
       │           └─ queue ───┘└─ prefill ──┘└────── decode ──────────┘            │
       │                        └──────── inference ───────────────────┘            │
       └─ time to first token ───────────────┘                                      │
       └─ latency ──────────────────────────────────────────────────────────────────┘

Knows nothing of what the request asked or of how its reply looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

from msgspec.structs import replace

from forge_api.completion import ChoiceDelta
from forge_api.laps import Lap
from forge_api.metrics import Metrics
from forge_api.timings import ChoiceMoments, Moments
from forge_common.protocol.api_scheduler import SequenceTimes


class RequestTimer:
    """Made when a request is submitted; `take` every batch of deltas, then `finish` once."""

    def __init__(
        self, metrics: Metrics, arrived: float, clock: Callable[[], float] = perf_counter
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._arrived = arrived
        self._submitted = clock()
        self._first_step: float | None = None
        self._choices: dict[int, ChoiceMoments] = {}

    def take(self, deltas: Sequence[ChoiceDelta], queue_s: float | None = None) -> None:
        """`queue_s`, the wait until the first step, comes with the first output."""
        now = self._clock()
        if not self._choices and deltas:
            self._take_first(now, queue_s)
        for delta in deltas:
            self._take(delta, now)

    def finish(self) -> None:
        self._metrics.request_latency.observe(self._clock() - self._arrived)
        if not self._choices:
            return
        first_token = min(choice.first_token for choice in self._choices.values())
        last_token = max(choice.last_token for choice in self._choices.values())
        self._metrics.request_decode_time.observe(last_token - first_token)
        if self._first_step is not None:
            self._metrics.request_inference_time.observe(last_token - self._first_step)

    def moments(self, laps: tuple[Lap, ...], engine: Mapping[int, SequenceTimes]) -> Moments:
        """So far; `engine` is what the scheduler said of choices, by index."""
        return Moments(
            arrived=self._arrived,
            submitted=self._submitted,
            laps=laps,
            choices=[
                replace(choice, engine=engine.get(index))
                for index, choice in sorted(self._choices.items())
            ],
        )

    def _take_first(self, now: float, queue_s: float | None) -> None:
        self._metrics.time_to_first_token.observe(now - self._arrived)
        if queue_s is not None:
            self._first_step = self._submitted + queue_s
            self._metrics.request_queue_time.observe(queue_s)
            self._metrics.request_prefill_time.observe(now - self._first_step)

    def _take(self, delta: ChoiceDelta, now: float) -> None:
        num_tokens = len(delta.token_ids)
        choice = self._choices.get(delta.index)
        if choice is None:
            choice = ChoiceMoments(delta.index, now, now, num_tokens)
            self._choices[delta.index] = choice
        elif num_tokens:
            self._metrics.inter_token_latency.observe((now - choice.last_token) / num_tokens)
            choice.last_token = now
            choice.num_tokens += num_tokens
        if delta.finish_reason is not None:
            self._metrics.finished(delta.finish_reason)
            self._finish_choice(choice)

    def _finish_choice(self, choice: ChoiceMoments) -> None:
        if choice.num_tokens > 1:
            self._metrics.time_per_output_token.observe(
                (choice.last_token - choice.first_token) / (choice.num_tokens - 1)
            )
