from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from forge_worker.cpu.native.kernel import compile_kernel
from forge_worker.cpu.native.lanes import (
    exp16,
    highest16,
    keep16,
    load16,
    load16_bfloats,
    store16,
    store16_bfloats,
    sum16,
)
from forge_worker.cpu.native.memory import read_long, write_float
from forge_worker.cpu.native.pool import NativePool, Record
from forge_worker.forward_inputs import FloatArray


def exponentiate(arguments: int, task: int, scratch: int) -> None:
    store16(read_long(arguments + 8) + 64 * task, exp16(load16(read_long(arguments) + 64 * task)))


def fold(arguments: int, task: int, scratch: int) -> None:
    values, out = load16(read_long(arguments)), read_long(arguments + 8)
    write_float(out, sum16(values))
    write_float(out + 4, highest16(values))


def keep(arguments: int, task: int, scratch: int) -> None:
    """Task n keeps n - 1 lanes."""
    kept = keep16(load16(read_long(arguments)), task - 1, 9.0)
    store16(read_long(arguments + 8) + 64 * task, kept)


def round_trip(arguments: int, task: int, scratch: int) -> None:
    store16_bfloats(scratch, load16(read_long(arguments)))
    store16(read_long(arguments + 8), load16_bfloats(scratch))


def computed(
    kernel: Callable[[int, int, int], None], x: FloatArray, size: int, num_tasks: int = 1
) -> FloatArray:
    out = np.zeros(size, np.float32)
    record = Record([x.ctypes.data, out.ctypes.data])
    NativePool(1).run(compile_kernel(kernel, kernel.__name__), record, num_tasks)
    return out


def test_exp_is_right_to_the_last_places() -> None:
    x = np.linspace(-87, 88, 16 * 500, dtype=np.float32)
    expected = np.exp(x.astype(np.float64))
    assert np.abs(computed(exponentiate, x, len(x), 500) / expected - 1).max() < 3e-7


def test_exp_of_what_is_beyond_float32() -> None:
    x = np.array([np.nan, -np.inf, -1000, -88, 0, 100, np.inf] + [1] * 9, np.float32)
    result = computed(exponentiate, x, 16)
    assert np.isnan(result[0])
    assert result[1:5].tolist() == [0, 0, 0, 1]
    assert (result[5:7] > 1e38).all()


def test_lanes_are_summed_and_compared() -> None:
    x = np.arange(-4, 12, dtype=np.float32)
    assert computed(fold, x, 2).tolist() == [56, 11]


@pytest.mark.parametrize("lane", [0, 7, 15])
def test_nan_in_any_lane_shows(lane: int) -> None:
    x = np.arange(16, dtype=np.float32)
    x[lane] = np.nan
    assert np.isnan(computed(fold, x, 2)).all()


def test_only_the_first_lanes_are_kept() -> None:
    x = np.arange(16, dtype=np.float32)
    result = computed(keep, x, 16 * 19, 19).reshape(19, 16)
    counts = np.arange(-1, 18)[:, None]
    assert (result == np.where(np.arange(16) < counts, x, 9)).all()


def test_bfloats_are_rounded_to_even_and_keep_what_is_not_finite() -> None:
    x = np.array([1, 1 + 2**-8, 1 + 3 * 2**-8, -3.14159, np.inf, 1e38] + [0] * 9 + [np.nan])
    result = computed(round_trip, x.astype(np.float32), 16)
    assert result[:5].tolist() == [1, 1, 1 + 2**-6, -3.140625, np.inf]
    assert result[5] == pytest.approx(1e38, rel=2**-8)
    assert np.isnan(result[15])
