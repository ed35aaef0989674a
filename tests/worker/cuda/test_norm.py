"""The norm of the residual stream against float64 and against the CPU worker's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from forge_common.errors import DeviceError
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.cuda.device import Device
from forge_worker.cuda.norm import RmsNormKernels
from forge_worker.cuda.precision import Precision
from forge_worker.ops.protocol import Joining, RmsNorm
from tests.cuda_emulator import EmulatedDevice, EmulatedFault
from tests.worker.cuda.arrays import empty_on, on_device, to_host
from tests.worker.cuda.rounding import assert_rounded_once, drawn
from tests.worker.forward import Work, make_inputs
from tests.worker.tiny_models import write_model_config

EPS = 1e-5
# Squares are summed by a thread, a warp and a block: at most 16, 5 and 16 additions, of which the
# root halves the error; the square, the division, the root and two products follow.
FLOAT_ROUNDINGS = 24

Floats = npt.NDArray[Any]

F32 = Precision.FLOAT32
BF16 = Precision.BFLOAT16


class Case:
    """A residual, a partial sum for it, and a weight around 1."""

    def __init__(self, num_rows: int, hidden_size: int, precision: Precision) -> None:
        shape = (num_rows, hidden_size)
        self.precision = precision
        self.residual = drawn(F32, shape, seed=1) * np.float32(3)
        self.partial = drawn(F32, shape, seed=2)
        self.weight = drawn(F32, (hidden_size,), seed=3, mean=1.0)

    def exact(self, rows: Floats) -> Floats:
        wide = rows.astype(np.float64)
        mean_square = (wide**2).mean(axis=1, keepdims=True)
        scaled: Floats = wide / np.sqrt(mean_square + np.float32(EPS))
        return scaled * self.weight

    def normed(self, device: Device) -> Floats:
        hidden_size = self.residual.shape[1]
        out = empty_on(device, self.residual.shape, self.precision.dtype)
        kernels = RmsNormKernels(device, self.precision, hidden_size)
        weight = on_device(device, self.weight)
        kernels.norm(on_device(device, self.residual), weight, EPS, out)
        return to_host(device, out)

    def joined(self, device: Device, joining: Joining) -> Floats:
        residual = on_device(device, self.residual)
        kernels = RmsNormKernels(device, self.precision, self.residual.shape[1])
        kernels.join(residual, on_device(device, self.partial), joining)
        return to_host(device, residual)

    def assert_norm_of(self, rows: Floats, out: Floats) -> None:
        assert_rounded_once(out, self.exact(rows), self.precision, float_roundings=FLOAT_ROUNDINGS)


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("hidden_size", [8, 576])
def test_rows_are_scaled_to_a_mean_square_of_one_and_weighted(
    device: Device, precision: Precision, hidden_size: int
) -> None:
    case = Case(3, hidden_size, precision)
    case.assert_norm_of(case.residual, case.normed(device))


@pytest.mark.parametrize("hidden_size", [896, 2048, 4096, 8192, 16384])
def test_every_hidden_size_is_covered_by_its_block(device: Device, hidden_size: int) -> None:
    case = Case(2, hidden_size, BF16)
    case.assert_norm_of(case.residual, case.normed(device))


def test_many_rows_have_a_block_each(device: Device) -> None:
    case = Case(300, 64, BF16)
    case.assert_norm_of(case.residual, case.normed(device))


def test_float32_equals_the_cpu_worker(device: Device, tmp_path: Any) -> None:
    case = Case(5, 32, F32)
    config = write_model_config(tmp_path)
    ops = NumpyOps()
    step = ops.begin_step(make_inputs([Work([1] * 5, 0, [0])], 16), config, 16)
    expected = ops.final_norm(case.residual.copy(), RmsNorm(case.weight, EPS), step)
    np.testing.assert_allclose(case.normed(device), expected, rtol=1e-6)


def test_a_row_of_zeros_stays_zero(device: Device) -> None:
    case = Case(2, 64, BF16)
    case.residual[0] = 0
    out = case.normed(device)
    assert not BF16.widened(out[0]).any()
    case.assert_norm_of(case.residual, out)


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("hidden_size", [8, 576, 16384])
def test_a_partial_sum_is_normed_scaled_and_added_in_place(
    device: Device, precision: Precision, hidden_size: int
) -> None:
    case = Case(3, hidden_size, precision)
    norm = RmsNorm(on_device(device, case.weight), EPS)
    added = np.float32(0.4) * case.exact(case.partial)
    found = case.joined(device, Joining(norm, 0.4))
    magnitude = abs(case.residual) + FLOAT_ROUNDINGS * abs(added)
    allowed = 2.0**-24 * 2 * magnitude
    assert np.all(abs(found - (case.residual + added)) <= allowed)


def test_a_partial_sum_is_added_as_it_is_where_nothing_norms_it(device: Device) -> None:
    case = Case(3, 576, BF16)
    expected = case.residual + case.partial
    np.testing.assert_array_equal(case.joined(device, Joining()), expected)
    halved = case.residual + np.float32(0.5) * case.partial
    np.testing.assert_array_equal(case.joined(device, Joining(None, 0.5)), halved)


@pytest.mark.parametrize("hidden_size", [8, 576, 16384])
def test_rows_lose_their_mean_in_place(device: Device, hidden_size: int) -> None:
    residual = Case(3, hidden_size, BF16).residual + np.float32(5)
    placed = on_device(device, residual)
    RmsNormKernels(device, BF16, hidden_size).centre(placed)
    exact = residual - residual.mean(axis=1, keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(to_host(device, placed), exact, rtol=0, atol=2e-5)


@pytest.mark.parametrize("precision", list(Precision))
def test_rows_are_rounded_where_nothing_norms_them(device: Device, precision: Precision) -> None:
    case = Case(3, 576, precision)
    out = empty_on(device, case.residual.shape, precision.dtype)
    RmsNormKernels(device, precision, 576).cast(on_device(device, case.residual), out)
    np.testing.assert_array_equal(to_host(device, out), precision.rounded(case.residual))


def test_only_the_rows_asked_for_are_gathered(device: Device) -> None:
    case = Case(6, 576, BF16)
    rows = np.array([5, 0, 5, 3], np.int32)
    out = empty_on(device, (4, 576), BF16.dtype)
    arguments = [on_device(device, array) for array in (case.residual, rows, case.weight)]
    RmsNormKernels(device, BF16, 576).gather_norm(*arguments, EPS, out)
    np.testing.assert_array_equal(to_host(device, out), case.normed(device)[rows])


def test_a_row_has_the_same_bits_in_every_batch(device: Device) -> None:
    case = Case(40, 896, BF16)
    alone = Case(1, 896, BF16)
    alone.residual, alone.weight = case.residual[17:18].copy(), case.weight
    np.testing.assert_array_equal(alone.normed(device)[0], case.normed(device)[17])


def test_every_schedule_gives_the_same_bits(schedules: list[Device]) -> None:
    case = Case(3, 896, BF16)
    first, *others = [case.normed(device) for device in schedules]
    assert all(np.array_equal(first, other) for other in others)


def test_no_rows_launch_nothing(device: Device) -> None:
    assert Case(0, 64, BF16).normed(device).shape == (0, 64)


def test_wrong_arrays_are_refused_by_name(device: Device) -> None:
    kernels = RmsNormKernels(device, BF16, 64)
    rows, weight = np.zeros((2, 64), np.float32), np.zeros(64, np.float32)
    with pytest.raises(ValueError, match="residual is float32"):
        kernels.norm(rows[:1], weight, EPS, np.zeros((2, 64), np.uint16))
    with pytest.raises(ValueError, match="weight is uint16"):
        kernels.norm(rows, np.zeros(64, np.uint16), EPS, np.zeros((2, 64), np.uint16))
    with pytest.raises(ValueError, match="out is float32"):
        kernels.norm(rows, weight, EPS, rows)
    with pytest.raises(ValueError, match="residual"):
        kernels.join(rows, rows[:1], Joining())
    with pytest.raises(ValueError, match="weight is float32"):
        kernels.join(rows, rows, Joining(RmsNorm(rows, EPS)))
    with pytest.raises(ValueError, match="out is float32"):
        kernels.cast(rows, rows)
    with pytest.raises(ValueError, match="logit_rows"):
        kernels.gather_norm(rows, np.zeros(2), weight, EPS, np.zeros((2, 64), np.uint16))


def test_a_hidden_size_without_aligned_rows_is_refused(device: Device) -> None:
    with pytest.raises(DeviceError, match="divisible by 8"):
        RmsNormKernels(device, BF16, 100)


def test_a_row_past_the_end_would_be_caught() -> None:
    """A test of these tests: one block too many faults on the emulator."""
    device = EmulatedDevice()
    case = Case(2, 64, BF16)
    kernel = RmsNormKernels(device, BF16, 64)._kernels["rms_norm"]
    arrays = [on_device(device, array) for array in (case.residual, case.weight)]
    out = empty_on(device, (2, 64), BF16.dtype)
    with pytest.raises(EmulatedFault):
        kernel((3, 1, 1), (32, 1, 1), (*arrays, out, np.float32(EPS)))
