"""Slices of a run: what stands where."""

from __future__ import annotations

import pytest

from forge_common.bench.timeline import MAX_SLICES, slice_length_s, timeline_of
from tests.common.bench.builders import failed, observation


def test_tokens_stand_where_they_came() -> None:
    timeline = timeline_of([observation(0.01, 0.11, 0.12, tokens=6)])
    assert timeline.slice_s == 0.05
    assert timeline.num_output_tokens == [2, 0, 4]
    assert sum(timeline.num_sent) == sum(timeline.num_ended) == 1


def test_requests_under_way_are_those_sent_and_not_ended() -> None:
    timeline = timeline_of([observation(0.12, sent=0.0), observation(0.07, sent=0.06)])
    assert timeline.num_running == [1, 1, 0]


def test_tokens_of_failed_requests_do_not_count() -> None:
    timeline = timeline_of([failed("timeout", end=0.1)])
    assert sum(timeline.num_output_tokens) == 0
    assert sum(timeline.num_ended) == 1


@pytest.mark.parametrize("end_s", [0.0, 0.3, 7.0, 61.0, 5000.0, 1e7])
def test_there_are_never_too_many_slices(end_s: float) -> None:
    assert end_s / slice_length_s(end_s) <= MAX_SLICES + 1e-6


def test_run_of_nothing_has_one_empty_slice() -> None:
    assert timeline_of([]).num_output_tokens == [0.0]
