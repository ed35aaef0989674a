"""KeyMeter: what one key has used of late, against its limits, in this API process.

A request counts when it comes. Tokens of its prompt count when it is submitted, and are given back
if the engine does not take it; those of its output count as it ends, so a long one may leave the
key in debt. Of several API processes each keeps to its share. Knows no route and no engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from forge_api.access.api_key import KeyLimits
from forge_api.access.token_bucket import Clock, TokenBucket
from forge_api.errors import RetryLater
from forge_api.metrics import KeyMetrics

LIMIT_CODE = "rate_limit_exceeded"  # OpenAI's
MEAN_OF_LAST = 8.0  # requests, about, to estimate by how long one takes


class Spending(Struct):
    """What one request costs its key, beside the prompt that was paid for."""

    is_accepted: bool = False
    num_output_tokens: int = 0


class KeyMeter:
    """`name` is empty for whoever comes without a key: then nothing is limited nor counted."""

    def __init__(self, name: str, metrics: KeyMetrics, clock: Clock) -> None:
        self.name = name
        self.num_running = 0
        self.num_requests = 0
        self.num_tokens = 0
        self.requests: TokenBucket | None = None
        self.tokens: TokenBucket | None = None
        self.max_running: int | None = None
        self._metrics = metrics
        self._clock = clock
        self._mean_s = 1.0

    def set_limits(self, limits: KeyLimits, num_processes: int) -> None:
        """What was used stays used where a limit did not change."""
        self.requests = self._bucket(self.requests, limits.requests_per_minute, num_processes)
        self.tokens = self._bucket(self.tokens, limits.tokens_per_minute, num_processes)
        most = limits.max_concurrent_requests
        self.max_running = None if most is None else max(most // num_processes, 1)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Around one request. Raises RetryLater."""
        self._require_place()
        self._require("requests", self.requests, 1)
        if self.requests is not None:
            self.requests.take(1)
        self.num_requests += 1
        self._metrics.asked(self.name)
        self.num_running += 1
        started_s = self._clock()
        try:
            yield
        finally:
            self.num_running -= 1
            self._mean_s += (self._clock() - started_s - self._mean_s) / MEAN_OF_LAST

    @contextmanager
    def tokens_of(self, num_prompt_tokens: int) -> Iterator[Spending]:
        """Around the engine's part of a request. Raises RetryLater."""
        self._require("tokens", self.tokens, num_prompt_tokens)
        if self.tokens is not None:
            self.tokens.take(num_prompt_tokens)
        spending = Spending()
        try:
            yield spending
        finally:
            self._settle(num_prompt_tokens, spending)

    def _settle(self, num_prompt_tokens: int, spending: Spending) -> None:
        if not spending.is_accepted:
            if self.tokens is not None:
                self.tokens.give_back(num_prompt_tokens)
            return
        if self.tokens is not None:
            self.tokens.take(spending.num_output_tokens)
        self.num_tokens += num_prompt_tokens + spending.num_output_tokens
        self._metrics.used(self.name, num_prompt_tokens, spending.num_output_tokens)

    def _require_place(self) -> None:
        if self.max_running is not None and self.num_running >= self.max_running:
            message = f"{self.num_running} requests of this key are running, as many as may"
            raise self._refusal("concurrent", message, self._mean_s / self.max_running)

    def _require(self, limit: str, bucket: TokenBucket | None, amount: int) -> None:
        if bucket is not None and (wait_s := bucket.wait_s(amount)) > 0:
            message = f"This key may use {bucket.per_minute:g} {limit} a minute here"
            raise self._refusal(limit, message, wait_s)

    def _refusal(self, limit: str, message: str, wait_s: float) -> RetryLater:
        self._metrics.refused(self.name, limit)
        return RetryLater(
            f"{message}: try again in {wait_s:.1f} s", code=LIMIT_CODE, retry_after_s=wait_s
        )

    def _bucket(
        self, old: TokenBucket | None, per_minute: int | None, num_processes: int
    ) -> TokenBucket | None:
        if per_minute is None:
            return None
        share = max(per_minute / num_processes, 1.0)
        return old if old and old.per_minute == share else TokenBucket(share, self._clock)
