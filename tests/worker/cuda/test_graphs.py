"""Steps run at once, are recorded when there is time, and then replayed."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cuda.graphs import StepGraphs, buckets, draft_buckets
from tests.cuda_emulator import EmulatedDevice


class Steps:
    """Notes the widths that ran on the device, and those that Python had to launch."""

    def __init__(self, max_batch_size: int = 20) -> None:
        self.device = EmulatedDevice()
        self.launched: list[int] = []
        self.ran: list[int] = []
        self.graphs = StepGraphs(self.device, buckets(max_batch_size), self.run_step)

    def run_step(self, width: int) -> None:
        self.launched.append(width)
        self.device.queue(lambda: self.ran.append(width))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, [1]),
        (3, [1, 2, 3]),
        (8, [1, 2, 4, 8]),
        (20, [1, 2, 4, 8, 16, 20]),
        (32, [1, 2, 4, 8, 16, 24, 32]),
    ],
)
def test_buckets_end_at_the_largest_batch(size: int, expected: list[int]) -> None:
    assert buckets(size) == expected


def test_every_batch_fits_the_next_bucket() -> None:
    graphs = Steps().graphs
    found = [graphs.bucket_of(num_rows) for num_rows in range(1, 21)]
    assert (np.array(found) >= np.arange(1, 21)).all()
    assert set(found) == set(graphs.buckets)


def test_bucket_runs_at_once_and_is_replayed_once_recorded() -> None:
    steps = Steps()
    steps.graphs.run(8)
    steps.graphs.run(8)
    assert steps.launched == steps.ran == [8, 8]
    assert steps.graphs.record_one()
    assert steps.launched == [8, 8, 8]
    assert steps.ran == [8, 8]  # recording runs nothing
    steps.graphs.run(8)
    assert steps.launched == [8, 8, 8]
    assert steps.ran == [8, 8, 8]


def test_one_graph_is_recorded_at_a_time_and_each_once() -> None:
    steps = Steps()
    for width in (1, 2, 1):
        steps.graphs.run(width)
    assert [steps.graphs.record_one() for _ in range(3)] == [True, True, False]
    assert steps.launched == [1, 2, 1, 1, 2]


@pytest.mark.parametrize(
    ("size", "expected"), [(1, [1]), (9, [2, 4, 8, 9]), (64, [2, 4, 8, 16, 32, 64])]
)
def test_widths_with_drafts_double_up_to_the_most_rows(size: int, expected: list[int]) -> None:
    assert draft_buckets(size) == expected
