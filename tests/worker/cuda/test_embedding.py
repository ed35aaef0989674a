"""Rows of the embedding table as the residual stream: exact, but for the scale's one rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from forge_common.errors import DeviceError
from forge_worker.cuda.device import Device
from forge_worker.cuda.embedding import Embedding
from forge_worker.cuda.precision import Precision
from tests.worker.cuda.arrays import empty_on, on_device, to_host
from tests.worker.cuda.rounding import drawn

VOCAB_SIZE = 11
BF16 = Precision.BFLOAT16

Floats = npt.NDArray[Any]


def embedded(
    device: Device, precision: Precision, table: Floats, token_ids: list[int], scale: float = 1.0
) -> Floats:
    hidden_size = table.shape[1]
    residual = empty_on(device, (len(token_ids), hidden_size), np.float32)
    ids = on_device(device, np.array(token_ids, np.int32))
    embedding = Embedding(device, precision, hidden_size, scale)
    embedding(on_device(device, table), ids, residual)
    return to_host(device, residual)


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("hidden_size", [8, 576])
def test_rows_are_widened_exactly(device: Device, precision: Precision, hidden_size: int) -> None:
    table = drawn(precision, (VOCAB_SIZE, hidden_size), seed=1)
    token_ids = [VOCAB_SIZE - 1, 0, 3, 3]
    expected = precision.widened(table)[token_ids]
    np.testing.assert_array_equal(embedded(device, precision, table, token_ids), expected)


@pytest.mark.parametrize("hidden_size", [1024, 1032, 4096])
def test_wide_rows_are_shared_by_blocks(device: Device, hidden_size: int) -> None:
    table = drawn(BF16, (VOCAB_SIZE, hidden_size), seed=2)
    expected = BF16.widened(table)[[7, 10]]
    np.testing.assert_array_equal(embedded(device, BF16, table, [7, 10]), expected)


def test_many_tokens_have_a_row_each(device: Device) -> None:
    table = drawn(BF16, (VOCAB_SIZE, 64), seed=3)
    token_ids = (np.arange(300) * 7 % VOCAB_SIZE).tolist()
    expected = BF16.widened(table)[token_ids]
    np.testing.assert_array_equal(embedded(device, BF16, table, token_ids), expected)


def test_scale_multiplies_in_float32(device: Device) -> None:
    table = drawn(BF16, (VOCAB_SIZE, 64), seed=4)
    expected = BF16.widened(table)[[5, 2]] * np.float32(576**0.5)
    scaled = embedded(device, BF16, table, [5, 2], scale=576**0.5)
    np.testing.assert_array_equal(scaled, expected)


def test_every_schedule_gives_the_same_bits(schedules: list[Device]) -> None:
    table = drawn(BF16, (VOCAB_SIZE, 576), seed=5)
    first, *others = [embedded(device, BF16, table, [1, 9]) for device in schedules]
    assert all(np.array_equal(first, other) for other in others)


def test_no_tokens_launch_nothing(device: Device) -> None:
    table = drawn(BF16, (VOCAB_SIZE, 64), seed=6)
    assert embedded(device, BF16, table, []).shape == (0, 64)


def test_wrong_arrays_are_refused_by_name(device: Device) -> None:
    embedding = Embedding(device, BF16, 64)
    table, ids = np.zeros((VOCAB_SIZE, 64), np.uint16), np.zeros(2, np.int32)
    residual = np.zeros((2, 64), np.float32)
    with pytest.raises(ValueError, match="table"):
        embedding(table[:, :32], ids, residual)
    with pytest.raises(ValueError, match="token_ids is int64"):
        embedding(table, ids.astype(np.int64), residual)
    with pytest.raises(ValueError, match="residual"):
        embedding(table, ids, residual[:1])


def test_a_hidden_size_without_aligned_rows_is_refused(device: Device) -> None:
    with pytest.raises(DeviceError, match="divisible by 8"):
        Embedding(device, BF16, 12)
