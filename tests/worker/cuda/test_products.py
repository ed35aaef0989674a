"""Products against NumPy: both ways of every operation, and which way is taken."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from forge_worker.cuda.precision import Precision
from forge_worker.cuda.products import (
    MAX_FUSED_NORM_ROWS,
    Products,
    ProductScratch,
    ProductShapes,
)
from forge_worker.cuda.skinny import MAX_ROWS
from forge_worker.ops.protocol import Array, LinearWeights, RmsNorm
from tests.cuda_emulator import EmulatedDevice, NumpyGemm
from tests.worker.cuda.arrays import empty_on, on_device, to_host

Floats = npt.NDArray[Any]

HIDDEN, INNER, FEATURES = 64, 48, 40
SLAB = 12  # rows of scratch: fewer than many of the steps have
EPS = 1e-5
ROUNDOFF = {Precision.BFLOAT16: 2.0**-6, Precision.FLOAT16: 2.0**-9, Precision.FLOAT32: 2.0**-20}
ROW_COUNTS = [1, MAX_FUSED_NORM_ROWS, MAX_FUSED_NORM_ROWS + 1, MAX_ROWS, MAX_ROWS + 1, 30]
PRECISIONS = list(Precision)


class CountingGemm(NumpyGemm):
    num_calls = 0

    def __call__(self, *arguments: Array, accumulate: bool) -> None:
        self.num_calls += 1
        super().__call__(*arguments, accumulate=accumulate)


class Fixture(NamedTuple):
    device: EmulatedDevice
    precision: Precision
    gemm: CountingGemm
    products: Products


def make(precision: Precision, is_deterministic: bool = False) -> Fixture:
    device = EmulatedDevice()
    gemm = CountingGemm(device, precision)
    scratch = ProductScratch(
        empty_on(device, (SLAB, HIDDEN), precision.dtype),
        empty_on(device, (SLAB, 2 * INNER), precision.dtype),
    )
    shapes = ProductShapes(precision, HIDDEN, INNER, is_deterministic)
    return Fixture(device, precision, gemm, Products(device, shapes, gemm, scratch))


def draw(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def linear_weights(fixture: Fixture, features: int, size_k: int = HIDDEN) -> LinearWeights:
    rounded = fixture.precision.rounded
    weight = rounded(draw(1, features, size_k) / np.float32(np.sqrt(size_k)))
    return LinearWeights(on_device(fixture.device, weight), rounded(draw(2, features)))


def norm_of(fixture: Fixture) -> RmsNorm:
    weight = fixture.precision.rounded(1 + 0.1 * draw(3, HIDDEN))
    return RmsNorm(on_device(fixture.device, weight), EPS)


def reference_norm(fixture: Fixture, residual: Floats, norm: RmsNorm) -> Floats:
    mean_square = (residual.astype(float) ** 2).mean(axis=1, keepdims=True)
    return residual / np.sqrt(mean_square + EPS) * fixture.precision.widened(norm.weight)


def reference_linear(fixture: Fixture, x: Floats, weights: LinearWeights) -> Floats:
    widened = fixture.precision.widened
    assert weights.bias is not None
    product: Floats = x.astype(float) @ widened(weights.weight).T.astype(float)
    return product + widened(weights.bias)


def reference_gated(fixture: Fixture, x: Floats, weights: LinearWeights) -> Floats:
    gate, up = np.split(reference_linear(fixture, x, weights), 2, axis=1)
    return gate / (1 + np.exp(-gate)) * up


def assert_close(fixture: Fixture, found: Array, expected: Floats) -> None:
    values = to_host(fixture.device, found)
    if values.dtype == fixture.precision.dtype:
        values = fixture.precision.widened(values)
    allowed = ROUNDOFF[fixture.precision] * (1 + abs(expected))
    assert np.all(abs(values - expected) <= allowed)


def norm_linear(fixture: Fixture, residual: Floats) -> tuple[Array, Floats]:
    weights, norm = linear_weights(fixture, FEATURES), norm_of(fixture)
    out = empty_on(fixture.device, (len(residual), FEATURES), fixture.precision.dtype)
    on_it = on_device(fixture.device, residual)
    fixture.products.norm_linear(on_it, norm, weights, out)
    normed = reference_norm(fixture, residual, norm)
    return out, reference_linear(fixture, normed, weights)


def norm_gated(fixture: Fixture, residual: Floats) -> tuple[Array, Floats]:
    weights, norm = linear_weights(fixture, 2 * INNER), norm_of(fixture)
    out = empty_on(fixture.device, (len(residual), INNER), fixture.precision.dtype)
    on_it = on_device(fixture.device, residual)
    fixture.products.norm_gated(on_it, norm, weights, out)
    normed = reference_norm(fixture, residual, norm)
    return out, reference_gated(fixture, normed, weights)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("num_rows", ROW_COUNTS)
def test_product_of_a_norm(precision: Precision, num_rows: int) -> None:
    fixture = make(precision)
    assert_close(fixture, *norm_linear(fixture, 3 * draw(4, num_rows, HIDDEN)))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("num_rows", ROW_COUNTS)
def test_gated_product_of_a_norm(precision: Precision, num_rows: int) -> None:
    fixture = make(precision)
    assert_close(fixture, *norm_gated(fixture, 3 * draw(4, num_rows, HIDDEN)))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("num_rows", [1, MAX_ROWS, MAX_ROWS + 1])
def test_product_is_added_to_the_residual(precision: Precision, num_rows: int) -> None:
    fixture = make(precision)
    weights = linear_weights(fixture, HIDDEN, INNER)
    x, start = precision.rounded(draw(5, num_rows, INNER)), draw(6, num_rows, HIDDEN)
    residual = on_device(fixture.device, start)
    fixture.products.add_linear(residual, on_device(fixture.device, x), weights)
    product = reference_linear(fixture, precision.widened(x), weights)
    assert_close(fixture, residual, start + product)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("num_rows", [1, MAX_ROWS, MAX_ROWS + 1])
def test_logits_are_float32(precision: Precision, num_rows: int) -> None:
    fixture = make(precision)
    x = precision.rounded(draw(5, num_rows, HIDDEN))
    weight = on_device(fixture.device, precision.rounded(draw(1, 100, HIDDEN)))
    logits = empty_on(fixture.device, (num_rows, 100), np.float32)
    fixture.products.logits(on_device(fixture.device, x), weight, logits)
    expected = precision.widened(x).astype(float) @ precision.widened(weight).T.astype(float)
    found = to_host(fixture.device, logits)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_few_rows_of_16_bits_need_no_library(precision: Precision) -> None:
    fixture = make(precision)
    norm_linear(fixture, draw(4, MAX_ROWS, HIDDEN))
    assert (fixture.gemm.num_calls == 0) == (precision is not Precision.FLOAT32)
    norm_linear(fixture, draw(4, MAX_ROWS + 1, HIDDEN))
    assert fixture.gemm.num_calls > 0


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("run", [norm_linear, norm_gated])
def test_deterministic_products_take_one_way_at_every_number_of_rows(
    precision: Precision, run: Any
) -> None:
    fixture = make(precision, is_deterministic=True)
    residual = draw(4, MAX_ROWS + 9, HIDDEN)
    for num_rows in (1, MAX_FUSED_NORM_ROWS, MAX_ROWS, MAX_ROWS + 9):
        before = fixture.gemm.num_calls
        assert_close(fixture, *run(fixture, residual[:num_rows]))
        assert fixture.gemm.num_calls - before == -(-num_rows // SLAB)


def test_float16_norm_is_not_fused_where_it_would_overflow() -> None:
    fixture = make(Precision.FLOAT16)
    assert_close(fixture, *norm_linear(fixture, 60_000 * draw(4, 2, HIDDEN)))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_rows_are_no_work(precision: Precision) -> None:
    fixture = make(precision)
    assert len(norm_linear(fixture, draw(4, 0, HIDDEN))[0]) == 0
    assert len(norm_gated(fixture, draw(4, 0, HIDDEN))[0]) == 0


def test_products_are_recorded_in_a_graph() -> None:
    fixture = make(Precision.BFLOAT16)
    weights, norm = linear_weights(fixture, FEATURES), norm_of(fixture)
    for num_rows in (2, MAX_ROWS, MAX_ROWS + 1):
        start = draw(4, num_rows, HIDDEN)
        residual = on_device(fixture.device, np.zeros_like(start))
        out = empty_on(fixture.device, (num_rows, FEATURES), fixture.precision.dtype)

        def work(residual: Array = residual, out: Array = out) -> None:
            fixture.products.norm_linear(residual, norm, weights, out)

        graph = fixture.device.capture(work)
        residual[...] = start
        graph.launch()
        normed = reference_norm(fixture, start, norm)
        assert_close(fixture, out, reference_linear(fixture, normed, weights))
