"""Products against NumPy, emulated or on a GPU: every operation each way, and which is taken."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from forge_worker.cuda.device import Device
from forge_worker.cuda.gemm import Gemm
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.products import (
    MAX_FUSED_NORM_ROWS,
    Products,
    ProductScratch,
    ProductShapes,
)
from forge_worker.cuda.skinny import MAX_ROWS
from forge_worker.ops.protocol import Array, Joining, LinearWeights, RmsNorm
from tests.worker.cuda.arrays import empty_on, on_device, to_host
from tests.worker.cuda.gemms import gemm_on

Floats = npt.NDArray[Any]

HIDDEN, INNER, FEATURES, VOCAB = 64, 48, 40, 100
SLAB = 12  # rows of scratch: fewer than many of the steps have
WORKSPACE_BYTES = 8 * 2**20
EPS = 1e-5
ROUNDOFF = {Precision.BFLOAT16: 2.0**-6, Precision.FLOAT16: 2.0**-9, Precision.FLOAT32: 2.0**-18}
ROW_COUNTS = [1, MAX_FUSED_NORM_ROWS, MAX_FUSED_NORM_ROWS + 1, MAX_ROWS, MAX_ROWS + 1, 30]
PRECISIONS = list(Precision)


class CountingGemm:
    def __init__(self, gemm: Gemm) -> None:
        self._gemm = gemm
        self.num_calls = 0

    def __call__(self, *arguments: Any, accumulate: bool) -> None:
        self.num_calls += 1
        self._gemm(*arguments, accumulate=accumulate)


class Weights(NamedTuple):
    """On the host, in the bits of the precision."""

    weight: Floats
    bias: Floats


class Bench(NamedTuple):
    device: Device
    precision: Precision
    gemm: CountingGemm
    products: Products

    def placed(self, weights: Weights) -> LinearWeights:
        return LinearWeights(*(on_device(self.device, array) for array in weights))

    def wide(self, array: Floats) -> Floats:
        return self.precision.widened(array).astype(float)

    def linear(self, x: Floats, weights: Weights) -> Floats:
        return x @ self.wide(weights.weight).T + self.wide(weights.bias)

    def normed(self, residual: Floats, norm: Floats) -> Floats:
        mean_square = (residual.astype(float) ** 2).mean(axis=1, keepdims=True)
        return residual / np.sqrt(mean_square + EPS) * norm

    def assert_close(self, found: Array, expected: Floats) -> None:
        values = to_host(self.device, found)
        if values.dtype == self.precision.dtype:
            values = self.precision.widened(values)
        allowed = ROUNDOFF[self.precision] * (1 + abs(expected))
        assert np.all(abs(values - expected) <= allowed)


def make(device: Device, precision: Precision, is_deterministic: bool = False) -> Bench:
    workspace = device.allocate(WORKSPACE_BYTES)
    library = gemm_on(device, precision, workspace, is_deterministic=is_deterministic)
    scratch = ProductScratch(
        empty_on(device, (SLAB, HIDDEN), precision.dtype),
        empty_on(device, (SLAB, 2 * INNER), precision.dtype),
        empty_on(device, (SLAB, HIDDEN), np.float32),
    )
    gemm = CountingGemm(library)
    shapes = ProductShapes(precision, HIDDEN, INNER, is_deterministic)
    return Bench(device, precision, gemm, Products(device, shapes, gemm, scratch))


def draw(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def draw_weights(precision: Precision, features: int, size_k: int = HIDDEN) -> Weights:
    weight = draw(1, features, size_k) / np.float32(np.sqrt(size_k))
    return Weights(precision.rounded(weight), precision.rounded(draw(2, features)))


def norm_linear(bench: Bench, residual: Floats) -> tuple[Array, Floats]:
    """What the products make of it, and what they should."""
    weights = draw_weights(bench.precision, FEATURES)
    norm = 1 + np.float32(0.1) * draw(3, HIDDEN)
    out = empty_on(bench.device, (len(residual), FEATURES), bench.precision.dtype)
    placed = RmsNorm(on_device(bench.device, norm), EPS)
    on_it = on_device(bench.device, residual)
    bench.products.norm_linear(on_it, placed, bench.placed(weights), out)
    return out, bench.linear(bench.normed(residual, norm), weights)


def norm_gated(bench: Bench, residual: Floats) -> tuple[Array, Floats]:
    weights = draw_weights(bench.precision, 2 * INNER)
    norm = 1 + np.float32(0.1) * draw(3, HIDDEN)
    out = empty_on(bench.device, (len(residual), INNER), bench.precision.dtype)
    placed = RmsNorm(on_device(bench.device, norm), EPS)
    on_it = on_device(bench.device, residual)
    bench.products.norm_gated(on_it, placed, bench.placed(weights), out)
    gate, up = np.split(bench.linear(bench.normed(residual, norm), weights), 2, axis=1)
    return out, gate / (1 + np.exp(-gate)) * up


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("num_rows", ROW_COUNTS)
def test_product_of_a_norm(device: Device, precision: Precision, num_rows: int) -> None:
    bench = make(device, precision)
    bench.assert_close(*norm_linear(bench, 3 * draw(4, num_rows, HIDDEN)))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("num_rows", ROW_COUNTS)
def test_gated_product_of_a_norm(device: Device, precision: Precision, num_rows: int) -> None:
    bench = make(device, precision)
    bench.assert_close(*norm_gated(bench, 3 * draw(4, num_rows, HIDDEN)))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("num_rows", [1, MAX_ROWS, MAX_ROWS + 1])
def test_product_is_added_to_the_residual(
    device: Device, precision: Precision, num_rows: int
) -> None:
    bench = make(device, precision)
    weights = draw_weights(precision, HIDDEN, INNER)
    x, start = precision.rounded(draw(5, num_rows, INNER)), draw(6, num_rows, HIDDEN)
    residual = on_device(device, start)
    bench.products.add_linear(residual, on_device(device, x), bench.placed(weights), Joining())
    bench.assert_close(residual, start + bench.linear(bench.wide(x), weights))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("is_deterministic", [False, True])
@pytest.mark.parametrize("num_rows", [1, MAX_ROWS, MAX_ROWS + 9])
def test_product_is_scaled_and_normed_before_it_is_added(
    device: Device, precision: Precision, is_deterministic: bool, num_rows: int
) -> None:
    bench = make(device, precision, is_deterministic)
    weights, norm = draw_weights(precision, HIDDEN, INNER), draw(3, HIDDEN)
    x, start = precision.rounded(draw(5, num_rows, INNER)), draw(6, num_rows, HIDDEN)
    product = bench.linear(bench.wide(x), weights)
    on_it, placed = on_device(device, x), bench.placed(weights)
    for joining, expected in (
        (Joining(None, 0.4), start + 0.4 * product),
        (Joining(RmsNorm(on_device(device, norm), EPS)), start + bench.normed(product, norm)),
        (
            Joining(RmsNorm(on_device(device, norm), EPS), 0.4),
            start + 0.4 * bench.normed(product, norm),
        ),
    ):
        residual = on_device(device, start)
        bench.products.add_linear(residual, on_it, placed, joining)
        bench.assert_close(residual, expected)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("num_rows", [1, MAX_ROWS, MAX_ROWS + 9])
def test_products_of_the_residual_as_it_is(
    device: Device, precision: Precision, num_rows: int
) -> None:
    bench, residual = make(device, precision), draw(4, num_rows, HIDDEN)
    on_it, wide = on_device(device, residual), bench.wide(precision.rounded(residual))
    weights, joined = draw_weights(precision, FEATURES), draw_weights(precision, 2 * INNER)
    out = empty_on(device, (num_rows, FEATURES), precision.dtype)
    bench.products.norm_linear(on_it, None, bench.placed(weights), out)
    bench.assert_close(out, bench.linear(wide, weights))
    gated = empty_on(device, (num_rows, INNER), precision.dtype)
    bench.products.norm_gated(on_it, None, bench.placed(joined), gated)
    gate, up = np.split(bench.linear(wide, joined), 2, axis=1)
    bench.assert_close(gated, gate / (1 + np.exp(-gate)) * up)


def test_rows_that_are_no_whole_vectors_go_through_the_library(device: Device) -> None:
    bench, precision, odd = make(device, Precision.BFLOAT16), Precision.BFLOAT16, INNER + 4
    weights = draw_weights(precision, HIDDEN, odd)
    x, start = precision.rounded(draw(5, 2, odd)), draw(6, 2, HIDDEN)
    residual = on_device(device, start)
    bench.products.add_linear(residual, on_device(device, x), bench.placed(weights), Joining())
    bench.assert_close(residual, start + bench.linear(bench.wide(x), weights))
    assert bench.gemm.num_calls == 1


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("num_rows", [1, MAX_ROWS, MAX_ROWS + 1])
def test_logits_are_float32(device: Device, precision: Precision, num_rows: int) -> None:
    bench = make(device, precision)
    weights = draw_weights(precision, VOCAB)
    weights = weights._replace(bias=np.zeros_like(weights.bias))
    x = precision.rounded(draw(5, num_rows, HIDDEN))
    out = empty_on(device, (num_rows, VOCAB), np.float32)
    bench.products.logits(on_device(device, x), bench.placed(weights).weight, out)
    expected = bench.linear(bench.wide(x), weights)
    np.testing.assert_allclose(to_host(device, out), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_few_rows_of_16_bits_need_no_library(device: Device, precision: Precision) -> None:
    bench = make(device, precision)
    norm_linear(bench, draw(4, MAX_ROWS, HIDDEN))
    assert (bench.gemm.num_calls == 0) == (precision is not Precision.FLOAT32)
    norm_linear(bench, draw(4, MAX_ROWS + 1, HIDDEN))
    assert bench.gemm.num_calls > 0


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("run", [norm_linear, norm_gated])
def test_deterministic_products_take_one_way_at_every_number_of_rows(
    device: Device, precision: Precision, run: Any
) -> None:
    bench = make(device, precision, is_deterministic=True)
    residual = draw(4, MAX_ROWS + 9, HIDDEN)
    for num_rows in (1, MAX_FUSED_NORM_ROWS, MAX_ROWS, MAX_ROWS + 9):
        before = bench.gemm.num_calls
        bench.assert_close(*run(bench, residual[:num_rows]))
        assert bench.gemm.num_calls - before == -(-num_rows // SLAB)


def test_float16_norm_is_not_fused_where_it_would_overflow(device: Device) -> None:
    bench = make(device, Precision.FLOAT16)
    bench.assert_close(*norm_linear(bench, 60_000 * draw(4, 2, HIDDEN)))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_rows_are_no_work(device: Device, precision: Precision) -> None:
    bench = make(device, precision)
    for run in (norm_linear, norm_gated):
        assert len(run(bench, draw(4, 0, HIDDEN))[0]) == 0
    x = on_device(device, precision.rounded(draw(4, 0, INNER)))
    residual = on_device(device, draw(4, 0, HIDDEN))
    weights = bench.placed(draw_weights(precision, HIDDEN, INNER))
    bench.products.add_linear(residual, x, weights, Joining())


@pytest.mark.parametrize("num_rows", [2, MAX_ROWS, MAX_ROWS + 1])
def test_products_are_recorded_in_a_graph(device: Device, num_rows: int) -> None:
    bench, precision = make(device, Precision.BFLOAT16), Precision.BFLOAT16
    weights = draw_weights(precision, HIDDEN, INNER)
    x, start = precision.rounded(draw(5, num_rows, INNER)), draw(6, num_rows, HIDDEN)
    residual, on_it, placed = on_device(device, start), on_device(device, x), bench.placed(weights)

    def work() -> None:
        bench.products.add_linear(residual, on_it, placed, Joining())

    work()
    graph = device.capture(work)
    for _ in range(2):
        graph.launch()
    bench.assert_close(residual, start + 3 * bench.linear(bench.wide(x), weights))
