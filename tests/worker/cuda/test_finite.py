"""Rows of hidden states that are not finite are found, in every precision."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cuda.finite import FiniteCheck
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.sampler import RowStatus
from tests.worker.cuda.arrays import empty_on, on_device, to_host


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("hidden_size", [1, 31, 1030])
def test_only_broken_rows_are_named(device, precision, hidden_size) -> None:
    hidden = np.random.default_rng(0).normal(0, 100, (6, hidden_size)).astype(np.float32)
    hidden[0, -1] = np.nan
    hidden[2, 0] = np.inf
    hidden[3, hidden_size // 2] = -np.inf
    hidden[4, 0] = 65504.0  # the largest of float16
    statuses = empty_on(device, (6,), np.int32)
    rounded = on_device(device, precision.rounded(hidden))
    FiniteCheck(device, precision, hidden_size)(rounded, statuses)
    bad, good = RowStatus.NOT_FINITE, RowStatus.SOUND
    assert to_host(device, statuses).tolist() == [bad, good, bad, bad, good, good]


def test_every_schedule_of_threads_gives_the_same(schedules) -> None:
    hidden = np.zeros((2, 700), np.float32)
    hidden[1, 699] = np.nan
    for device in schedules:
        statuses = empty_on(device, (2,), np.int32)
        FiniteCheck(device, Precision.FLOAT32, 700)(on_device(device, hidden), statuses)
        assert to_host(device, statuses).tolist() == [RowStatus.SOUND, RowStatus.NOT_FINITE]
