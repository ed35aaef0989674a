"""When the tokens of one request came: the observations behind the latency metrics.

Knows nothing of what the request asked or of how its reply looks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

from forge_api.completion import ChoiceDelta
from forge_api.metrics import Metrics


class RequestTimer:
    """`take` every batch of deltas, then `finish` once, however the request ended."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = perf_counter) -> None:
        self._metrics = metrics
        self._clock = clock
        self._started = clock()
        self._last_token: dict[int, float] = {}

    def take(self, deltas: Sequence[ChoiceDelta]) -> None:
        now = self._clock()
        if not self._last_token and deltas:
            self._metrics.time_to_first_token.observe(now - self._started)
        for delta in deltas:
            self._take(delta, now)

    def finish(self, num_prompt_tokens: int, num_output_tokens: int) -> None:
        self._metrics.request_latency.observe(self._clock() - self._started)
        self._metrics.request_prompt_tokens.observe(num_prompt_tokens)
        self._metrics.request_output_tokens.observe(num_output_tokens)

    def _take(self, delta: ChoiceDelta, now: float) -> None:
        last = self._last_token.get(delta.index)
        if last is not None and delta.token_ids:
            self._metrics.inter_token_latency.observe((now - last) / len(delta.token_ids))
        self._last_token[delta.index] = now
        if delta.finish_reason is not None:
            self._metrics.finished(delta.finish_reason)
