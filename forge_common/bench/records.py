"""What was observed of one request: when it was to be sent, was sent, spoke and ended.

All times are seconds since the run began, by one monotonic clock. Knows nothing of HTTP.
"""

from __future__ import annotations

from array import array
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct


class Failure(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a request counts as failed; `kind` is a name to count by, `detail` the server's words."""

    kind: str
    detail: str = ""
    retry_after_s: float | None = None


class RequestRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    index: int
    intended_s: float
    sent_s: float
    end_s: float  # of the stream; of a failed request, when that was known
    first_content_s: float | None = None
    longest_gap_s: float | None = None  # between two content events
    num_content_events: int = 0
    num_output_tokens: int = 0
    is_counted_by_usage: bool = False  # else a token an event
    num_prompt_tokens: int | None = None  # as the server counts
    num_cached_tokens: int | None = None  # of the prompt, as the server says
    is_resent: bool = False  # the server had closed the connection that it first went out on
    failure: Failure | None = None

    @property
    def ttft_s(self) -> float | None:
        return self._from_first_content(self.intended_s)

    @property
    def ttft_from_send_s(self) -> float | None:
        return self._from_first_content(self.sent_s)

    @property
    def e2e_s(self) -> float:
        return self.end_s - self.intended_s

    @property
    def e2e_from_send_s(self) -> float:
        return self.end_s - self.sent_s

    @property
    def send_lag_s(self) -> float:
        return self.sent_s - self.intended_s

    @property
    def tpot_s(self) -> float | None:
        if self.first_content_s is None or self.num_output_tokens < 2:
            return None
        return (self.end_s - self.first_content_s) / (self.num_output_tokens - 1)

    def _from_first_content(self, begin_s: float) -> float | None:
        return None if self.first_content_s is None else self.first_content_s - begin_s


class Observation(NamedTuple):
    """A record, and when each of its content events came: too much to keep in a file."""

    record: RequestRecord
    content_times_s: array[float]

    @property
    def gaps_s(self) -> list[float]:
        return gaps(self.content_times_s)


def gaps(times: array[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]
