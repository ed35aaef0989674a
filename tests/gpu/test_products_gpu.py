"""Products on a real GPU, at the sizes of real models: values, graphs, and bits of a row.

A rehearsal has smaller ones, and a library in Python.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from forge_worker.cuda.cublaslt import DETERMINISTIC_ROWS, CublasLtGemm
from forge_worker.cuda.cublaslt_library import CublasLt
from forge_worker.cuda.device import Device
from forge_worker.cuda.gemm_tuning import GemmTuner, ReplayTimer
from forge_worker.cuda.kept_algorithms import KeptAlgorithms, TunedFor
from forge_worker.cuda.libraries import open_library
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.skinny import MAX_ROWS, SkinnyKernels
from forge_worker.cuda.tuning_scratch import TuningScratch
from forge_worker.ops.protocol import Array, LinearWeights
from tests.cuda_emulator.opaque import OpaqueDevice
from tests.gpu.conftest import IS_REHEARSAL
from tests.worker.cuda.arrays import empty_on, on_device, to_host
from tests.worker.cuda.fake_cublaslt import FakeCublasLt

pytestmark = pytest.mark.gpu

Floats = npt.NDArray[Any]

BF16 = Precision.BFLOAT16
WORKSPACE_BYTES = 32 * 2**20
ROUNDOFF = {BF16: 2.0**-8, Precision.FLOAT16: 2.0**-11, Precision.FLOAT32: 2.0**-18}
REAL_SHAPES = [(2048, 8192), (3072, 2048), (6144, 4096), (32000, 2048), (96, 64)]  # features, k
SHAPES = [(96, 64)] if IS_REHEARSAL else REAL_SHAPES
SHAPE = (96, 64) if IS_REHEARSAL else (6144, 4096)
SCRATCH_BYTES = 2**19 if IS_REHEARSAL else 768 * 2**20


class Problem(NamedTuple):
    x: Floats
    weight: Floats
    bias: Floats
    expected: Floats
    magnitude: Floats  # what errors of a sum are measured against


@pytest.fixture(scope="module")
def library(device: Device) -> CublasLt:
    if isinstance(device, OpaqueDevice):
        return CublasLt(FakeCublasLt(queue=device.emulated.queue))  # type: ignore[arg-type]
    return CublasLt(open_library("cublasLt"))


def gemm_of(
    device: Device, library: CublasLt, precision: Precision, is_deterministic: bool = False
) -> CublasLtGemm:
    workspace = device.allocate(WORKSPACE_BYTES)
    return CublasLtGemm(library, device, precision, workspace, is_deterministic)


def draw(precision: Precision, num_rows: int, shape: tuple[int, int]) -> Problem:
    random = np.random.default_rng(num_rows + shape[0])
    x, weight, bias = (
        precision.rounded(random.standard_normal(size, np.float32))
        for size in ((num_rows, shape[1]), shape, shape[0])
    )
    wide = [precision.widened(array).astype(float) for array in (x, weight, bias)]
    expected = wide[0] @ wide[1].T + wide[2]
    return Problem(x, weight, bias, expected, np.sqrt(shape[1]) + abs(expected))


def assert_close(found: Floats, problem: Problem, roundoff: float) -> None:
    assert np.all(abs(found - problem.expected) <= roundoff * problem.magnitude)


@pytest.mark.parametrize("precision", [BF16, Precision.FLOAT16])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("num_rows", [1, 8, 16])
def test_few_rows(
    device: Device, precision: Precision, shape: tuple[int, int], num_rows: int
) -> None:
    problem = draw(precision, num_rows, shape)
    out = empty_on(device, problem.expected.shape, precision.dtype)
    weights = LinearWeights(on_device(device, problem.weight), on_device(device, problem.bias))
    kernels = SkinnyKernels(device, precision, "silu")
    kernels.linear(on_device(device, problem.x), weights, out)
    assert_close(precision.widened(to_host(device, out)), problem, ROUNDOFF[precision])


def test_bits_of_few_rows_do_not_depend_on_how_many(device: Device) -> None:
    problem = draw(BF16, MAX_ROWS, SHAPE)
    kernels, x = SkinnyKernels(device, BF16, "silu"), on_device(device, problem.x)
    weights = LinearWeights(on_device(device, problem.weight), None)
    rows = []
    for num_rows in range(1, MAX_ROWS + 1):
        out = empty_on(device, (num_rows, SHAPE[0]), BF16.dtype)
        kernels.linear(x[:num_rows], weights, out)
        rows.append(to_host(device, out)[0].tobytes())
    assert len(set(rows)) == 1


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("num_rows", [1, 17, 200])
def test_library_multiplies(
    device: Device,
    library: CublasLt,
    precision: Precision,
    shape: tuple[int, int],
    num_rows: int,
) -> None:
    """Also in float32, whose products would be a thousand times less exact in TF32."""
    problem = draw(precision, num_rows, shape)
    x, weight, bias = (on_device(device, array) for array in problem[:3])
    gemm = gemm_of(device, library, precision)
    out = empty_on(device, problem.expected.shape, precision.dtype)
    gemm(x, weight, out, bias, accumulate=False)
    assert_close(precision.widened(to_host(device, out)), problem, ROUNDOFF[precision])
    added = on_device(device, np.zeros(problem.expected.shape, np.float32))
    gemm(x, weight, added, bias, accumulate=True)
    assert_close(to_host(device, added), problem, ROUNDOFF[Precision.FLOAT32])


def test_library_multiplies_in_a_graph(device: Device, library: CublasLt) -> None:
    problem = draw(BF16, 33, SHAPE)
    x, weight, bias = (on_device(device, array) for array in problem[:3])
    gemm, out = gemm_of(device, library, BF16), empty_on(device, (33, SHAPE[0]), np.float32)

    def work() -> None:
        gemm(x, weight, out, bias, accumulate=False)

    work()
    graph = device.capture(work)
    device.fill_zero(out)
    graph.launch()
    assert_close(to_host(device, out), problem, ROUNDOFF[Precision.FLOAT32])


@pytest.mark.parametrize("precision", [BF16, Precision.FLOAT32])
@pytest.mark.parametrize("shape", SHAPES)
def test_bits_of_a_row_are_those_of_the_row_alone(
    device: Device,
    library: CublasLt,
    tmp_path_factory: pytest.TempPathFactory,
    precision: Precision,
    shape: tuple[int, int],
) -> None:
    problem = draw(precision, 2 * DETERMINISTIC_ROWS + 44, shape)
    gemm = gemm_of(device, library, precision, is_deterministic=True)
    x, weight = on_device(device, problem.x), on_device(device, problem.weight)
    out = empty_on(device, problem.expected.shape, np.float32)
    scratch = TuningScratch(device, precision, device.allocate(SCRATCH_BYTES))
    tuner = GemmTuner(gemm, scratch, ReplayTimer(device))
    jobs = tuner.jobs([gemm.product(x, weight, out, None)], [1])
    tuned_for = TunedFor(device.info.name, library.version, precision.value, True)
    kept = KeptAlgorithms(tmp_path_factory.mktemp("kept"), tuned_for)
    assert tuner.tune(jobs, kept, lambda: True).num_measured == 1

    def run(rows: Array) -> list[bytes]:
        gemm(rows, weight, out[: len(rows)], accumulate=False)
        return [row.tobytes() for row in to_host(device, out[: len(rows)])]

    together = run(x)
    assert [run(x[row : row + 1])[0] for row in range(len(x))] == together
    for num_rows in range(2, DETERMINISTIC_ROWS + 2):
        assert run(x[:num_rows]) == together[:num_rows]


def test_tuned_products_are_no_slower(device: Device, library: CublasLt, tmp_path: Any) -> None:
    gemm, timer = gemm_of(device, library, BF16), ReplayTimer(device)
    scratch = TuningScratch(device, BF16, device.allocate(SCRATCH_BYTES))
    x = on_device(device, BF16.rounded(np.ones((64, SHAPE[1]), np.float32)))
    weight = on_device(device, BF16.rounded(np.ones(SHAPE, np.float32)))
    out = empty_on(device, (64, SHAPE[0]), BF16.dtype)

    def seconds() -> float:
        return timer(lambda: [gemm(x, weight, out, accumulate=False) for _ in range(20)] and None)

    before = seconds()
    tuner = GemmTuner(gemm, scratch, timer)
    kept = KeptAlgorithms(tmp_path, TunedFor(device.info.name, library.version, "bfloat16", False))
    jobs = tuner.jobs([gemm.product(x, weight, out, None)], [64])
    assert tuner.tune(jobs, kept, lambda: False).num_measured == 1
    assert seconds() <= 1.2 * before
