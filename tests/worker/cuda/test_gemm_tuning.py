"""Tuning with a library written in Python and a clock that says what each algorithm takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from msgspec.structs import replace

from forge_common.errors import DeviceError
from forge_worker.cuda.cublaslt import DETERMINISTIC_ROWS, CublasLtGemm, Product
from forge_worker.cuda.cublaslt_library import CublasLt
from forge_worker.cuda.gemm_tuning import GemmTuner, Job, ReplayTimer, Report, Work, products_of
from forge_worker.cuda.kept_algorithms import KeptAlgorithms, TunedFor
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.tuning_scratch import TuningScratch
from tests.cuda_emulator import EmulatedDevice
from tests.worker.cuda.expert_cases import experts_of
from tests.worker.cuda.fake_cublaslt import FakeCublasLt
from tests.worker.tiny_models import write_model_config

BF16 = Precision.BFLOAT16
SMALL = Product(24, 40, 40, 24, is_out_float32=False, has_bias=True)
LARGE = Product(48, 24, 24, 48, is_out_float32=True, has_bias=False)
SECONDS = {1: 3.0, 2: 1.0, 3: 2.0}  # by algorithm


class AlgorithmTimer:
    """Says what the algorithm takes that the work used last."""

    def __init__(self, fake: FakeCublasLt) -> None:
        self._fake = fake
        self.num_timed = 0

    def __call__(self, work: Work) -> float:
        work()
        self.num_timed += 1
        return SECONDS[self._fake.used[-1]]


class Bench(NamedTuple):
    fake: FakeCublasLt
    gemm: CublasLtGemm
    timer: AlgorithmTimer
    tuner: GemmTuner


def bench(
    fake: FakeCublasLt | None = None, is_deterministic: bool = False, scratch_bytes: int = 2**16
) -> Bench:
    fake = FakeCublasLt() if fake is None else fake
    device = EmulatedDevice()
    library = CublasLt(fake)  # type: ignore[arg-type]
    workspace = device.allocate(2 * 2**20)
    gemm = CublasLtGemm(library, device, BF16, workspace, is_deterministic)
    timer = AlgorithmTimer(fake)
    scratch = TuningScratch(device, BF16, device.allocate(scratch_bytes))
    return Bench(fake, gemm, timer, GemmTuner(gemm, scratch, timer))


def keep_in(folder: Path, device_name: str = "H200") -> KeptAlgorithms:
    return KeptAlgorithms(folder, TunedFor(device_name, 130100, "bfloat16", False))


def used_for(bench: Bench, product: Product, num_rows: int) -> int:
    """The algorithm that a product of so many rows takes."""
    out_dtype = np.float32 if product.is_out_float32 else np.uint16
    bias = np.zeros(product.num_features, np.uint16) if product.has_bias else None
    bench.gemm(
        np.zeros((num_rows, product.size_k), np.uint16),
        np.zeros((product.num_features, product.size_k), np.uint16),
        np.empty((num_rows, product.num_features), out_dtype),
        bias,
        accumulate=False,
    )
    return bench.fake.used[-1]


def never() -> bool:
    return False


def test_quickest_algorithm_is_taken_in_every_class_of_rows(tmp_path: Path) -> None:
    under_test = bench()
    jobs = under_test.tuner.jobs([SMALL, LARGE], [17, 33, 48])
    assert jobs == [Job(SMALL, 24), Job(LARGE, 24), Job(SMALL, 48), Job(LARGE, 48)]
    assert under_test.tuner.tune(jobs, keep_in(tmp_path), never) == Report(0, 4, 0)
    assert {used_for(under_test, job.product, job.row_class) for job in jobs} == {2}
    assert used_for(under_test, SMALL, 100) == 1  # of a class that was not tuned


def test_second_start_measures_nothing(tmp_path: Path) -> None:
    first, second = bench(), bench()
    jobs = first.tuner.jobs([SMALL, LARGE], [17])
    first.tuner.tune(jobs, keep_in(tmp_path), never)
    assert second.tuner.tune(jobs, keep_in(tmp_path), never) == Report(2, 0, 0)
    assert second.timer.num_timed == 0
    assert used_for(second, SMALL, 17) == 2


def test_another_gpu_measures_for_itself(tmp_path: Path) -> None:
    under_test = bench()
    jobs = under_test.tuner.jobs([SMALL], [17])
    under_test.tuner.tune(jobs, keep_in(tmp_path), never)
    assert under_test.tuner.tune(jobs, keep_in(tmp_path, "H100"), never) == Report(0, 1, 0)


@pytest.mark.parametrize("content", [b"", b"[{", b'[["a"]]', b'[{"product": 1}]'])
def test_damaged_file_counts_as_absent(tmp_path: Path, content: bytes) -> None:
    under_test = bench()
    jobs = under_test.tuner.jobs([SMALL], [17])
    under_test.tuner.tune(jobs, keep_in(tmp_path), never)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert under_test.tuner.tune(jobs, keep_in(tmp_path), never) == Report(0, 1, 0)


def test_kept_algorithm_that_no_longer_fits_is_measured_again(tmp_path: Path) -> None:
    kept = keep_in(tmp_path)
    kept.put(SMALL, 24, bytes([200, *[0] * 63]))
    kept.save()
    under_test = bench()
    jobs = under_test.tuner.jobs([SMALL], [17])
    assert under_test.tuner.tune(jobs, keep_in(tmp_path), never) == Report(0, 1, 0)


def test_folder_that_cannot_be_written_costs_only_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    under_test = bench()
    jobs = under_test.tuner.jobs([SMALL], [17])
    report = under_test.tuner.tune(jobs, keep_in(tmp_path / "absent"), never)
    assert report == Report(0, 1, 0)
    assert "cannot be kept" in caplog.text


def test_tuning_stops_when_time_is_up(tmp_path: Path) -> None:
    under_test = bench()
    jobs = under_test.tuner.jobs([SMALL, LARGE], [17, 33])
    answers = iter([False, True])
    report = under_test.tuner.tune(jobs, keep_in(tmp_path), lambda: next(answers))
    assert report == Report(0, 1, 3)
    assert used_for(under_test, SMALL, 17) == 2
    assert used_for(under_test, LARGE, 17) == 1  # the library's own first choice


def test_product_too_large_for_the_scratch_is_left(tmp_path: Path) -> None:
    under_test = bench(scratch_bytes=2**13)
    jobs = under_test.tuner.jobs([SMALL, LARGE], [2])
    huge = Job(Product(2**10, 2**4, 2**4, 2**10, False, False), 2)
    assert under_test.tuner.tune([huge, *jobs], keep_in(tmp_path), never) == Report(0, 2, 1)


def test_weights_are_read_from_more_places_than_a_cache_holds() -> None:
    device = EmulatedDevice()
    scratch = TuningScratch(device, BF16, device.allocate(2**16))
    operands = scratch.operands(SMALL, 4)
    assert operands is not None
    starts = {weight.ctypes.data for weight in operands.weights}
    assert len(starts) == len(operands.weights) > 2
    assert all(start % 256 == 0 for start in starts)
    assert np.all(np.isfinite(BF16.widened(operands.weights[-1])))
    assert operands.bias is not None


class PlaceDependent(FakeCublasLt):
    """Algorithm 2 rounds the rows beyond 16 another way, as one with other tiles there might."""

    def cublasLtMatmul(self, *arguments: Any) -> int:
        status = super().cublasLtMatmul(*arguments)
        if self.used[-1] == 2:
            self._matrix(arguments[10], arguments[11])[:, 16:] += 1  # of the last bit
        return status


def test_deterministic_mode_takes_the_quickest_with_independent_rows(tmp_path: Path) -> None:
    under_test = bench(PlaceDependent(), is_deterministic=True, scratch_bytes=2**18)
    jobs = under_test.tuner.jobs([SMALL], [1, 17, 2048])
    assert jobs == [Job(SMALL, DETERMINISTIC_ROWS)]
    report = under_test.tuner.tune(jobs, keep_in(tmp_path), lambda: True)
    assert report == Report(0, 1, 0)
    assert used_for(under_test, SMALL, 1) == used_for(under_test, SMALL, 300) == 3


def test_deterministic_mode_is_refused_where_no_algorithm_passes(tmp_path: Path) -> None:
    under_test = bench(PlaceDependent((2,)), is_deterministic=True, scratch_bytes=2**18)
    jobs = under_test.tuner.jobs([SMALL], [1])
    with pytest.raises(DeviceError, match="deterministic mode"):
        under_test.tuner.tune(jobs, keep_in(tmp_path), never)


def test_replay_is_timed_and_not_what_python_does_before() -> None:
    ticks = iter([10.0, 13.0, 20.0, 21.0, 30.0, 32.0])
    calls: list[int] = []
    timer = ReplayTimer(EmulatedDevice(), clock=lambda: next(ticks))
    assert timer(lambda: calls.append(1)) == 1.0
    assert calls == [1, 1]  # once at once, once recorded


def test_products_of_a_model_are_those_it_asks_for(tmp_path: Path) -> None:
    config = write_model_config(tmp_path)
    hidden, inner = config.hidden_size, config.intermediate_size
    products = products_of(config)
    shapes = {(product.num_features, product.size_k) for product in products}
    assert {(2 * inner, hidden), (hidden, inner), (config.vocab_size, hidden)} <= shapes
    assert all(product.x_stride == product.size_k for product in products)


def test_products_of_a_model_with_experts_are_its_routers_instead(tmp_path: Path) -> None:
    """Experts are multiplied by kernels of our own; layers without any keep their products."""
    config = write_model_config(tmp_path)
    experts = experts_of(7, 2)
    gated = (2 * config.intermediate_size, config.hidden_size)
    for of_layers, has_gated in (((experts, experts), False), ((None, experts), True)):
        products = products_of(replace(config, layer_experts=of_layers))
        shapes = [(product.num_features, product.size_k) for product in products]
        assert shapes.count((7, config.hidden_size)) == 1
        assert (gated in shapes) == has_gated
