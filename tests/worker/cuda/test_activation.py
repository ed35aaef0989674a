"""The gate of a feed-forward layer against float64 and against the CPU worker's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from forge_common.checkpoint.families import Activation
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.cuda.activation import GatedActivation
from forge_worker.cuda.device import Device
from forge_worker.cuda.precision import Precision
from forge_worker.ops.protocol import LinearWeights, RmsNorm
from tests.worker.cuda.arrays import empty_on, on_device, to_host
from tests.worker.cuda.rounding import assert_rounded_once, drawn

# The exponent of exp, about 16 at most here, magnifies its own roundings (3 of them in GELU); exp,
# the sum, the quotient and the product add their own, of which a GPU's exp and quotient have 2.
FLOAT_ROUNDINGS = 64
EPS = 1e-5

Floats = npt.NDArray[Any]

F32 = Precision.FLOAT32
BF16 = Precision.BFLOAT16


def silu(x: Floats) -> Floats:
    return x / (1 + np.exp(-x))


def gelu_tanh(x: Floats) -> Floats:
    """x / 2 · (1 + tanh z), by a way that cancels nothing where z is far below 0."""
    z = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    return x * np.exp(z) / (2 * np.cosh(z))


EXACT: dict[Activation, Callable[[Floats], Floats]] = {"silu": silu, "gelu_tanh": gelu_tanh}


def gated(
    device: Device, precision: Precision, gate_up: Floats, activation: Activation = "silu"
) -> Floats:
    num_rows, width = gate_up.shape[0], gate_up.shape[1] // 2
    out = empty_on(device, (num_rows, width), precision.dtype)
    GatedActivation(device, precision, width, activation)(on_device(device, gate_up), out)
    return to_host(device, out)


def assert_gated(
    precision: Precision, gate_up: Floats, out: Floats, activation: Activation = "silu"
) -> None:
    gate, up = np.split(precision.widened(gate_up).astype(np.float64), 2, axis=1)
    exact = EXACT[activation](gate) * up
    assert_rounded_once(out, exact, precision, float_roundings=FLOAT_ROUNDINGS)


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("activation", ["silu", "gelu_tanh"])
@pytest.mark.parametrize("width", [48, 1408])
def test_gate_is_activated_and_multiplied(
    device: Device, precision: Precision, activation: Activation, width: int
) -> None:
    gate_up = drawn(precision, (3, 2 * width), seed=1)
    out = gated(device, precision, gate_up, activation)
    assert_gated(precision, gate_up, out, activation)


@pytest.mark.parametrize("width", [1, 7, 12, 44, 2052])
@pytest.mark.parametrize("precision", [BF16, F32])
def test_widths_without_full_vectors_take_narrower_ones(
    device: Device, width: int, precision: Precision
) -> None:
    gate_up = drawn(precision, (5, 2 * width), seed=2)
    assert_gated(precision, gate_up, gated(device, precision, gate_up))


def test_one_row_and_many_rows_agree(device: Device) -> None:
    gate_up = drawn(BF16, (300, 96), seed=3)
    out = gated(device, BF16, gate_up)
    assert_gated(BF16, gate_up, out)
    np.testing.assert_array_equal(gated(device, BF16, gate_up[217:218].copy())[0], out[217])


@pytest.mark.parametrize("activation", ["silu", "gelu_tanh"])
def test_large_gates_pass_or_close(device: Device, activation: Activation) -> None:
    gate = np.array([1e4, -1e4, 88.5, -88.5, 0.0, -0.0, 3e38, -3e38], np.float32)
    gate_up = np.concatenate([gate, np.full_like(gate, 0.5)])[None]
    out = gated(device, F32, gate_up, activation)[0]
    np.testing.assert_allclose(out, np.where(gate > 0, gate / 2, 0), rtol=0, atol=1e-36)


def test_a_gate_that_is_no_number_stays_none(device: Device) -> None:
    gate_up = np.zeros((1, 16), np.float32)
    gate_up[0, 3] = np.nan
    assert np.flatnonzero(np.isnan(gated(device, F32, gate_up)[0])).tolist() == [3]


def test_float32_equals_the_cpu_worker(device: Device) -> None:
    """Its joined projection is the identity twice here, so that gate and up are the norm itself."""
    x, norm = drawn(F32, (5, 32), seed=4), RmsNorm(np.ones(32, np.float32), EPS)
    identity = np.eye(32, dtype=np.float32)
    linear = LinearWeights(np.concatenate([identity, identity[::-1]]), None)
    ops = NumpyOps()
    gate_up = np.ascontiguousarray(ops.norm_linear(x.copy(), norm, linear))
    expected = ops.norm_gated(x.copy(), norm, linear, "silu")
    np.testing.assert_allclose(gated(device, F32, gate_up), expected, rtol=2e-6)


def test_every_schedule_gives_the_same_bits(schedules: list[Device]) -> None:
    gate_up = drawn(BF16, (3, 96), seed=5)
    first, *others = [gated(device, BF16, gate_up) for device in schedules]
    assert all(np.array_equal(first, other) for other in others)


def test_no_rows_launch_nothing(device: Device) -> None:
    assert gated(device, BF16, np.zeros((0, 96), np.uint16)).shape == (0, 48)


def test_wrong_arrays_are_refused_by_name(device: Device) -> None:
    activation = GatedActivation(device, BF16, 48, "silu")
    with pytest.raises(ValueError, match="gate_up"):
        activation(np.zeros((2, 48), np.uint16), np.zeros((2, 48), np.uint16))
    with pytest.raises(ValueError, match="out is float32"):
        activation(np.zeros((2, 96), np.uint16), np.zeros((2, 48), np.float32))
