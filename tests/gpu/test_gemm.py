"""cublasLt's products against float64, as they are and as part of a graph."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from forge_common.device_workspace import GEMM_WORKSPACE_BYTES
from forge_worker.cuda.cupy_device import CupyDevice
from forge_worker.cuda.device import Device
from forge_worker.cuda.gemm import Gemm
from forge_worker.cuda.precision import Precision
from forge_worker.ops.protocol import Array
from tests.worker.cuda.arrays import empty_on, on_device, to_host
from tests.worker.cuda.gemms import gemm_on

Floats = npt.NDArray[Any]

ROUNDOFF = {Precision.BFLOAT16: 2.0**-8, Precision.FLOAT16: 2.0**-11, Precision.FLOAT32: 2.0**-20}
SUM_ROUNDOFF = 2.0**-18  # of float32 sums, as a share of the sum of absolute values
SHAPES = [(17, 64, 64), (128, 384, 1024), (300, 136, 72)]  # rows, features, k


class Problem(NamedTuple):
    x: Array
    weight: Array
    bias: Array
    expected: Floats
    magnitude: Floats  # what rounding errors of the sums are measured against


def make(device: Device, precision: Precision, shape: tuple[int, int, int]) -> Problem:
    num_rows, num_features, size_k = shape
    random = np.random.default_rng(sum(shape))
    host = [
        precision.rounded(random.standard_normal(size, np.float32))
        for size in ((num_rows, size_k), (num_features, size_k), (num_features,))
    ]
    x, weight, bias = (precision.widened(array).astype(float) for array in host)
    return Problem(
        *(on_device(device, array) for array in host),
        expected=x @ weight.T + bias,
        magnitude=abs(x) @ abs(weight).T + abs(bias),
    )


def gemm(device: Device, precision: Precision, *, is_deterministic: bool = False) -> Gemm:
    workspace = device.allocate(GEMM_WORKSPACE_BYTES)
    return gemm_on(device, precision, workspace, is_deterministic=is_deterministic)


def assert_near(found: Floats, problem: Problem, roundoff: float) -> None:
    error = abs(found - problem.expected)
    assert (error <= roundoff * abs(problem.expected) + SUM_ROUNDOFF * problem.magnitude).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("precision", list(Precision))
def test_product_with_bias(
    device: Device, precision: Precision, shape: tuple[int, int, int]
) -> None:
    problem = make(device, precision, shape)
    out = empty_on(device, problem.expected.shape, precision.dtype)
    gemm(device, precision)(problem.x, problem.weight, out, problem.bias, accumulate=False)
    assert_near(precision.widened(to_host(device, out)), problem, ROUNDOFF[precision])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("precision", list(Precision))
def test_product_is_added_to_the_residual_also_in_a_graph(
    device: Device, precision: Precision, shape: tuple[int, int, int]
) -> None:
    problem = make(device, precision, shape)
    multiply = gemm(device, precision)
    residual = on_device(device, np.zeros(problem.expected.shape, np.float32))

    def work() -> None:
        multiply(problem.x, problem.weight, residual, problem.bias, accumulate=True)

    work()  # what a library loads at first use, it cannot while a stream is captured
    eager = to_host(device, residual)
    assert_near(eager, problem, 0.0)
    graph = device.capture(work)
    device.fill_zero(residual)
    graph.launch()
    assert to_host(device, residual).tobytes() == eager.tobytes()


@pytest.mark.parametrize("precision", list(Precision))
def test_deterministic_rows_do_not_depend_on_how_many_there_are(
    gpu: CupyDevice, precision: Precision
) -> None:
    problem = make(gpu, precision, (300, 136, 72))
    multiply = gemm(gpu, precision, is_deterministic=True)
    found = []
    for num_rows in (300, 1, 129, 17):
        out = empty_on(gpu, (num_rows, 136), precision.dtype)
        multiply(problem.x[:num_rows], problem.weight, out, problem.bias, accumulate=False)
        found.append(to_host(gpu, out))
    for some in found[1:]:
        assert some.tobytes() == found[0][: len(some)].tobytes()
