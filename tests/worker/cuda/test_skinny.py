"""Products for few rows, emulated or on a GPU, against float64 with the roundings they state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from forge_worker.cuda.device import Device
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.skinny import MAX_NORM_ROWS, MAX_ROWS, SkinnyKernels
from forge_worker.ops.protocol import LinearWeights, RmsNorm
from tests.worker.cuda.arrays import empty_on, on_device, to_host

Floats = npt.NDArray[Any]

BF16 = Precision.BFLOAT16
UNIT_ROUNDOFF = {BF16: 2.0**-8, Precision.FLOAT16: 2.0**-11}
SUM_ROUNDOFF = 2.0**-19  # of float32 sums, as a share of the sum of absolute values
EPS = 1e-5
DEEP = (40, 72)  # features, k: less than a block for each of the emulator's multiprocessors
NARROW = (200, 2184)  # more of them; k ends inside a step, after whole rounds of all warps
SHAPES = [DEEP, NARROW, (16, 64), (100, 8), (130, 576)]


class Problem(NamedTuple):
    """Operands in the precision's own bits; x and the weights are small, so that sums are exact."""

    precision: Precision
    x: Floats
    residual: Floats
    norm: Floats
    weight: Floats
    bias: Floats

    def expected(self, x: Floats | None = None) -> tuple[Floats, Floats]:
        """x · Wᵀ + bias, and what its rounding errors are measured against."""
        x = self.precision.widened(self.x) if x is None else x
        weight, x = self.precision.widened(self.weight).astype(float), x.astype(float)
        bias = self.precision.widened(self.bias).astype(float)
        return x @ weight.T + bias, abs(x) @ abs(weight).T + abs(bias)

    def normed(self) -> tuple[Floats, Floats]:
        """The rounded residual · weight, and the scale of each row."""
        scaled = self.residual * self.norm
        squares = (self.residual.astype(float) ** 2).mean(axis=1, keepdims=True)
        return self.precision.widened(self.precision.rounded(scaled)), 1 / np.sqrt(squares + EPS)


def make(
    num_rows: int, shape: tuple[int, int], precision: Precision = BF16, num_parts: int = 1
) -> Problem:
    random = np.random.default_rng(num_rows * 1000 + sum(shape))
    features, size_k = shape[0] * num_parts, shape[1]

    def draw(*size: int) -> Floats:
        return random.standard_normal(size, np.float32)

    return Problem(
        precision,
        x=precision.rounded(draw(num_rows, size_k)),
        residual=4 * draw(num_rows, size_k),
        norm=1 + np.float32(0.2) * draw(size_k),
        weight=precision.rounded(draw(features, size_k) / np.float32(np.sqrt(size_k))),
        bias=precision.rounded(draw(features)),
    )


def skinny(device: Device, precision: Precision = BF16) -> SkinnyKernels:
    return SkinnyKernels(device, precision, "silu")


def weights_on(device: Device, problem: Problem, has_bias: bool = True) -> LinearWeights:
    bias = on_device(device, problem.bias) if has_bias else None
    return LinearWeights(on_device(device, problem.weight), bias)


def norm_on(device: Device, problem: Problem) -> RmsNorm:
    return RmsNorm(on_device(device, problem.norm), EPS)


def run_linear(device: Device, problem: Problem, has_bias: bool = True) -> Floats:
    shape = (len(problem.x), len(problem.weight))
    out = empty_on(device, shape, problem.precision.dtype)
    weights = weights_on(device, problem, has_bias)
    skinny(device, problem.precision).linear(on_device(device, problem.x), weights, out)
    return to_host(device, out)


def run_gated(device: Device, problem: Problem, has_bias: bool = True) -> Floats:
    shape = (len(problem.x), len(problem.weight) // 2)
    out = empty_on(device, shape, problem.precision.dtype)
    weights = weights_on(device, problem, has_bias)
    skinny(device, problem.precision).gated(on_device(device, problem.x), weights, out)
    return to_host(device, out)


def run_norm_linear(device: Device, problem: Problem, has_bias: bool = True) -> Floats:
    out = empty_on(device, (len(problem.x), len(problem.weight)), problem.precision.dtype)
    residual, norm = on_device(device, problem.residual), norm_on(device, problem)
    weights = weights_on(device, problem, has_bias)
    skinny(device, problem.precision).norm_linear(residual, norm, weights, out)
    return to_host(device, out)


def run_norm_gated(device: Device, problem: Problem, has_bias: bool = True) -> Floats:
    out = empty_on(device, (len(problem.x), len(problem.weight) // 2), problem.precision.dtype)
    residual, norm = on_device(device, problem.residual), norm_on(device, problem)
    weights = weights_on(device, problem, has_bias)
    skinny(device, problem.precision).norm_gated(residual, norm, weights, out)
    return to_host(device, out)


def run_add_linear(device: Device, problem: Problem, has_bias: bool = True) -> Floats:
    start = np.full((len(problem.x), len(problem.weight)), 100, np.float32)
    residual = on_device(device, start)
    weights = weights_on(device, problem, has_bias)
    kernels = skinny(device, problem.precision)
    kernels.add_linear(residual, on_device(device, problem.x), weights)
    return to_host(device, residual)


def run_partial_linear(device: Device, problem: Problem, has_bias: bool = True) -> Floats:
    out = empty_on(device, (len(problem.x), len(problem.weight)), np.float32)
    weights = weights_on(device, problem, has_bias)
    kernels = skinny(device, problem.precision)
    kernels.partial_linear(on_device(device, problem.x), weights, out)
    return to_host(device, out)


def run_logits(device: Device, problem: Problem) -> Floats:
    out = empty_on(device, (len(problem.x), len(problem.weight)), np.float32)
    weight = on_device(device, problem.weight)
    skinny(device, problem.precision).logits(on_device(device, problem.x), weight, out)
    return to_host(device, out)


def assert_close(
    found: Floats, expected: Floats, magnitude: Floats, unit_roundoff: float = 0
) -> None:
    allowed = unit_roundoff * abs(expected) + SUM_ROUNDOFF * magnitude
    assert np.all(abs(found.astype(float) - expected) <= allowed)


def silu(x: Floats) -> Floats:
    return x / (1 + np.exp(-x))


def gate(joined: Floats) -> Floats:
    gate, up = np.split(joined, 2, axis=1)
    return silu(gate) * up


@pytest.mark.parametrize("num_rows", range(1, MAX_ROWS + 1))
def test_product_is_that_of_float64_at_every_number_of_rows(device: Device, num_rows: int) -> None:
    problem = make(num_rows, (72, 200))
    found = BF16.widened(run_linear(device, problem))
    assert_close(found, *problem.expected(), UNIT_ROUNDOFF[BF16])


@pytest.mark.parametrize("precision", [BF16, Precision.FLOAT16])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("num_rows", [3, 11])
def test_product_is_that_of_float64_at_odd_shapes(
    device: Device, precision: Precision, shape: tuple[int, int], num_rows: int
) -> None:
    problem = make(num_rows, shape, precision)
    found = precision.widened(run_linear(device, problem))
    assert_close(found, *problem.expected(), UNIT_ROUNDOFF[precision])


def test_product_without_a_bias(device: Device) -> None:
    problem = make(2, DEEP)
    without = problem._replace(bias=np.zeros_like(problem.bias))
    found = BF16.widened(run_linear(device, problem, has_bias=False))
    assert_close(found, *without.expected(), UNIT_ROUNDOFF[BF16])


@pytest.mark.parametrize("shape", [DEEP, NARROW])
@pytest.mark.parametrize("num_rows", [1, 8, 9, 16])
def test_product_is_added_to_the_residual_in_float32(
    device: Device, shape: tuple[int, int], num_rows: int
) -> None:
    problem = make(num_rows, shape)
    expected, magnitude = problem.expected()
    assert_close(run_add_linear(device, problem), 100 + expected, 100 + magnitude)


@pytest.mark.parametrize("shape", [DEEP, NARROW])
@pytest.mark.parametrize("num_rows", [1, 9])
def test_product_may_be_scaled_or_stand_alone(
    device: Device, shape: tuple[int, int], num_rows: int
) -> None:
    problem = make(num_rows, shape)
    expected, magnitude = problem.expected()
    assert_close(run_partial_linear(device, problem), expected, magnitude)
    residual = on_device(device, np.full(expected.shape, 100, np.float32))
    weights = weights_on(device, problem)
    skinny(device).add_linear(residual, on_device(device, problem.x), weights, 0.4)
    assert_close(to_host(device, residual), 100 + 0.4 * expected, 100 + magnitude)


@pytest.mark.parametrize("num_rows", [1, 8, 9, 16])
def test_logits_are_not_rounded(device: Device, num_rows: int) -> None:
    problem = make(num_rows, NARROW)
    without = problem._replace(bias=np.zeros_like(problem.bias))
    assert_close(run_logits(device, problem), *without.expected())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("num_rows", [1, 8, 9, 16])
def test_gate_is_fused(device: Device, shape: tuple[int, int], num_rows: int) -> None:
    problem = make(num_rows, shape, num_parts=2)
    joined, magnitude = problem.expected()
    found = BF16.widened(run_gated(device, problem))
    assert_close(found, gate(joined), gate_magnitude(magnitude), UNIT_ROUNDOFF[BF16])


def gate_magnitude(magnitude: Floats) -> Floats:
    """What an error of gate or of up can be multiplied by; the slope of silu is at most 1.1."""
    gate, up = np.split(magnitude, 2, axis=1)
    return 2.2 * gate * up + gate + up


def test_gelu_is_fused_too(device: Device) -> None:
    problem = make(2, DEEP, num_parts=2)
    joined, magnitude = problem.expected()
    x, up = np.split(joined, 2, axis=1)
    expected = x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) * up
    out = empty_on(device, expected.shape, BF16.dtype)
    kernels = SkinnyKernels(device, BF16, "gelu_tanh")
    kernels.gated(on_device(device, problem.x), weights_on(device, problem), out)
    found = BF16.widened(to_host(device, out))
    assert_close(found, expected, gate_magnitude(magnitude), UNIT_ROUNDOFF[BF16])


def test_gate_of_a_very_negative_number_is_zero(device: Device) -> None:
    problem = make(1, DEEP, num_parts=2)
    problem = problem._replace(bias=BF16.rounded(np.full(2 * DEEP[0], -1e5, np.float32)))
    assert np.all(BF16.widened(run_gated(device, problem)) == 0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("num_rows", [1, 3, 8])
def test_norm_is_fused_into_a_product(
    device: Device, shape: tuple[int, int], num_rows: int
) -> None:
    problem = make(num_rows, shape)
    normed, scale = problem.normed()
    bias = BF16.widened(problem.bias)
    without = problem._replace(bias=np.zeros_like(problem.bias))
    product, magnitude = without.expected(normed)
    found = BF16.widened(run_norm_linear(device, problem))
    expected = product * scale + bias
    assert_close(found, expected, magnitude * scale + abs(bias), UNIT_ROUNDOFF[BF16])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("num_rows", [1, 8])
def test_norm_and_gate_are_fused_into_a_product(
    device: Device, shape: tuple[int, int], num_rows: int
) -> None:
    problem = make(num_rows, shape, num_parts=2)
    normed, scale = problem.normed()
    without = problem._replace(bias=np.zeros_like(problem.bias))
    product, magnitude = without.expected(normed)
    found = BF16.widened(run_norm_gated(device, problem, has_bias=False))
    allowed = gate_magnitude(magnitude * scale)
    assert_close(found, gate(product * scale), allowed, UNIT_ROUNDOFF[BF16])


RUNS = [
    run_linear,
    run_add_linear,
    run_partial_linear,
    run_logits,
    run_gated,
    run_norm_linear,
    run_norm_gated,
]


@pytest.mark.parametrize("run", RUNS)
def test_every_schedule_gives_the_same_bits(
    schedules: list[Device], run: Callable[[Device, Problem], Floats]
) -> None:
    problem = make(5, (72, 1096), num_parts=2)
    first, *others = [run(device, problem).tobytes() for device in schedules]
    assert others == [first] * len(others)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("shape", [DEEP, (72, 1096)])
def test_bits_of_a_row_do_not_depend_on_the_others(
    device: Device, run: Callable[[Device, Problem], Floats], shape: tuple[int, int]
) -> None:
    """Alone, last of any number, and beside rows that are NaN."""
    most = MAX_NORM_ROWS if run in (run_norm_linear, run_norm_gated) else MAX_ROWS
    problem = make(most, shape, num_parts=2)
    last = run(device, problem)[-1].tobytes()
    for num_rows in sorted({1, 2, 7, 8, 9, most} - set(range(most + 1, MAX_ROWS + 1))):
        rows = problem._replace(x=problem.x[-num_rows:], residual=problem.residual[-num_rows:])
        assert run(device, rows)[-1].tobytes() == last
    x, residual = problem.x.copy(), problem.residual.copy()
    x[:-1], residual[:-1] = BF16.rounded(np.full(1, np.nan, np.float32)), np.nan
    spoilt = run(device, problem._replace(x=x, residual=residual))
    assert spoilt[-1].tobytes() == last


def test_rows_beyond_the_kernels_are_refused(device: Device) -> None:
    with pytest.raises(ValueError, match="17 rows"):
        run_linear(device, make(MAX_ROWS + 1, DEEP))
    with pytest.raises(ValueError, match="9 rows"):
        run_norm_linear(device, make(MAX_NORM_ROWS + 1, DEEP))


def test_rows_that_are_no_whole_vectors_are_refused(device: Device) -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        run_linear(device, make(1, (16, 12)))


def test_arrays_of_another_shape_are_refused(device: Device) -> None:
    problem = make(2, DEEP)
    out = empty_on(device, (2, DEEP[0] + 1), BF16.dtype)
    with pytest.raises(ValueError, match="out is"):
        skinny(device).linear(on_device(device, problem.x), weights_on(device, problem), out)


def test_float32_has_no_such_kernels(device: Device) -> None:
    with pytest.raises(ValueError, match="float32"):
        SkinnyKernels(device, Precision.FLOAT32, "silu")
