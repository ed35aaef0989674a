"""Logits are bent below the cap of the model, and left alone where it has none."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cuda.device import Device
from forge_worker.cuda.logit_cap import LogitCap
from tests.worker.cuda.arrays import on_device, to_host

CAP = 30.0


def logits_of(num_rows: int, vocab_size: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 60, (num_rows, vocab_size)).astype(np.float32)


@pytest.mark.parametrize(("num_rows", "vocab_size"), [(1, 1), (3, 517)])
def test_every_logit_is_bent_below_the_cap(device: Device, num_rows: int, vocab_size: int) -> None:
    logits = logits_of(num_rows, vocab_size)
    placed = on_device(device, logits)
    LogitCap(device, CAP)(placed)
    expected = CAP * np.tanh(logits.astype(np.float64) / CAP)
    np.testing.assert_allclose(to_host(device, placed), expected, rtol=1e-6)


def test_what_is_not_a_number_stays_so(device: Device) -> None:
    placed = on_device(device, np.array([[np.nan, np.inf, -np.inf, 0]], np.float32))
    LogitCap(device, CAP)(placed)
    np.testing.assert_array_equal(to_host(device, placed), [[np.nan, CAP, -CAP, 0]])


def test_nothing_is_done_without_a_cap_or_without_rows(device: Device) -> None:
    logits = logits_of(2, 40)
    placed = on_device(device, logits)
    LogitCap(device, None)(placed)
    np.testing.assert_array_equal(to_host(device, placed), logits)
    LogitCap(device, CAP)(placed[:0])
