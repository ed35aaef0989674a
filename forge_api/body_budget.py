"""How many bytes of request bodies one API process holds at a time: those it receives or parses.

Past the bound a large body is refused with a 429 and what came of it is dropped; small bodies
always pass. Bytes count as they arrive, so a length that is only promised takes nothing from
others. Knows nothing of HTTP or of what a body means.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Gauge

from forge_api.errors import DEFAULT_RETRY_AFTER_S, RetryLater

# The largest bodies are rare, so room for a few at once is enough, and small beside a model.
LARGEST_BODIES_AT_ONCE = 8
SMALL_BODY_BYTES = 64 * 2**10


class BodyBudget:
    """`with budget.body() as body` holds one; however the block ends, its bytes are free again."""

    def __init__(self, max_body_bytes: int, held_bytes: Gauge) -> None:
        self._max_held_bytes = LARGEST_BODIES_AT_ONCE * max_body_bytes
        self._gauge = held_bytes
        self._num_held_bytes = 0

    @contextmanager
    def body(self) -> Iterator[HeldBody]:
        body = HeldBody(self)
        try:
            yield body
        finally:
            self.hold(-len(body.raw))

    def has_room_for(self, num_bytes: int) -> bool:
        return self._num_held_bytes + num_bytes <= self._max_held_bytes

    def hold(self, num_bytes: int) -> None:
        self._num_held_bytes += num_bytes
        self._gauge.inc(num_bytes)


class HeldBody:
    """What has come of one body."""

    def __init__(self, budget: BodyBudget) -> None:
        self.raw = bytearray()
        self._budget = budget

    def add(self, chunk: bytes) -> None:
        """Raises RetryLater where the bodies that are here leave no room."""
        is_small = len(self.raw) + len(chunk) <= SMALL_BODY_BYTES
        if not is_small and not self._budget.has_room_for(len(chunk)):
            raise RetryLater(
                "Too many large bodies arrive at the moment",
                code="too_many_bodies",
                retry_after_s=DEFAULT_RETRY_AFTER_S,
            )
        self._budget.hold(len(chunk))
        self.raw += chunk
