"""Timeline: a run in slices of equal length: tokens that came, requests that began and ended."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from msgspec import Struct

from forge_common.bench.records import Observation

SLICE_LENGTHS_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
MAX_SLICES = 120


class Timeline(Struct, frozen=True, forbid_unknown_fields=True):
    """Slice i begins at i × `slice_s`. The tokens of a reply are spread evenly over its events."""

    slice_s: float
    num_output_tokens: list[float]
    num_sent: list[int]
    num_ended: list[int]

    @property
    def num_running(self) -> list[int]:
        """Requests under way at the end of each slice."""
        changes = (sent - ended for sent, ended in zip(self.num_sent, self.num_ended, strict=True))
        return list(accumulate(changes))


def timeline_of(observations: Sequence[Observation]) -> Timeline:
    """Requests that failed count as sent and ended; their tokens do not count."""
    end_s = max((observation.record.end_s for observation in observations), default=0.0)
    slice_s = slice_length_s(end_s)
    num_slices = int(end_s / slice_s) + 1
    timeline = Timeline(slice_s, [0.0] * num_slices, [0] * num_slices, [0] * num_slices)
    for record, content_times_s in observations:
        timeline.num_sent[int(record.sent_s / slice_s)] += 1
        timeline.num_ended[int(record.end_s / slice_s)] += 1
        if record.failure is None:
            num_tokens_an_event = record.num_output_tokens / len(content_times_s)
            for at_s in content_times_s:
                timeline.num_output_tokens[int(at_s / slice_s)] += num_tokens_an_event
    return timeline


def slice_length_s(end_s: float) -> float:
    fitting = (length for length in SLICE_LENGTHS_S if end_s / length <= MAX_SLICES)
    return next(fitting, end_s / MAX_SLICES)
