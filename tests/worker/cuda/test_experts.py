"""The part of a layer with experts, from the residual to their sum, against the CPU worker's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from forge_common.checkpoint.model_config import Experts
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.cuda.device import Device
from forge_worker.cuda.experts import ExpertScratch, MixedExperts
from forge_worker.cuda.grouped import GroupedProducts, GroupedShapes
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.products import Products, ProductScratch, ProductShapes
from forge_worker.cuda.routing import Routing
from forge_worker.ops.protocol import Array, Expert, ExpertChoice, LinearWeights, RmsNorm
from tests.worker.cuda.arrays import empty_on, on_device, to_host
from tests.worker.cuda.expert_cases import (
    ExpertWeights,
    Floats,
    empty_choices,
    empty_grouping,
    experts_of,
    live_on,
)
from tests.worker.cuda.gemms import gemm_on

HIDDEN, MAX_ROWS, SLAB_ROWS, EPS = 64, 90, 40, 1e-5
EXPERTS = experts_of(6, 2)
NEARLY = {Precision.BFLOAT16: 2.0**-5, Precision.FLOAT16: 2.0**-8, Precision.FLOAT32: 2.0**-18}


class Layer(NamedTuple):
    """On the host, in the bits of the precision but for the norm."""

    norm: Floats  # float32
    router: Floats
    weights: ExpertWeights

    def choice(self, router: Array, experts: Experts = EXPERTS) -> ExpertChoice:
        return ExpertChoice(router, experts.num_chosen, experts.is_renormalised)


def layer_of(precision: Precision) -> Layer:
    random = np.random.default_rng(2)
    norm = 1 + 0.1 * random.standard_normal(HIDDEN, np.float32)
    router = random.standard_normal((EXPERTS.num_experts, HIDDEN), np.float32)
    weights = ExpertWeights.drawn(precision, EXPERTS, HIDDEN)
    return Layer(norm, precision.rounded(router), weights)


def experts_from(gate_up: Array, down: Array) -> list[Expert]:
    return [
        Expert(LinearWeights(gate_up[expert], None), LinearWeights(down[expert], None))
        for expert in range(len(gate_up))
    ]


def mixed_experts(device: Device, precision: Precision, live_counts: Array) -> MixedExperts:
    inner, num_choices = EXPERTS.intermediate_size, SLAB_ROWS * EXPERTS.num_chosen
    gemm = gemm_on(device, precision, device.allocate(8 << 20))
    scratch = ProductScratch(
        empty_on(device, (MAX_ROWS, HIDDEN), precision.dtype),
        empty_on(device, (MAX_ROWS, 2 * inner), precision.dtype),
        empty_on(device, (0, HIDDEN), np.float32),
    )
    shapes = ProductShapes(precision, HIDDEN, inner, False)
    grouped = GroupedShapes(precision, HIDDEN, EXPERTS, "silu", False)
    room = ExpertScratch(
        empty_on(device, (MAX_ROWS, EXPERTS.num_experts), np.float32),
        empty_choices(device, MAX_ROWS, EXPERTS),
        empty_grouping(device, SLAB_ROWS, EXPERTS),
        empty_on(device, (num_choices, inner), precision.dtype),
        empty_on(device, (num_choices, HIDDEN), np.float32),
    )
    return MixedExperts(
        Products(device, shapes, gemm, scratch),
        GroupedProducts(device, grouped),
        Routing(device, EXPERTS),
        room,
        live_counts,
    )


class Bench:
    def __init__(self, device: Device, precision: Precision, num_live: int = MAX_ROWS) -> None:
        layer = layer_of(precision)
        self._device = device
        self.mix = mixed_experts(device, precision, live_on(device, num_live).counts)
        self.norm = RmsNorm(on_device(device, layer.norm), EPS)
        self.choice = layer.choice(on_device(device, layer.router))
        self.experts = experts_from(*(on_device(device, array) for array in layer.weights))

    def __call__(self, residual: Floats, *, has_norm: bool = True) -> Floats:
        out = empty_on(self._device, residual.shape, np.float32)
        norm = self.norm if has_norm else None
        self.mix(on_device(self._device, residual), norm, self.choice, self.experts, out)
        return to_host(self._device, out)


def on_cpu(precision: Precision, residual: Floats, *, has_norm: bool = True) -> Floats:
    layer = layer_of(precision)
    wide = precision.widened
    norm = RmsNorm(layer.norm, EPS) if has_norm else None
    experts = experts_from(*(wide(array) for array in layer.weights))
    choice = layer.choice(wide(layer.router))
    return NumpyOps().norm_experts(residual, norm, choice, experts, "silu")


def residual_of(num_rows: int) -> Floats:
    return np.random.default_rng(num_rows).standard_normal((num_rows, HIDDEN), np.float32)


def share_of_close(found: Floats, expected: Floats, precision: Precision) -> float:
    """Of rows: where two experts score nearly the same, rounding decides which is taken."""
    allowed = NEARLY[precision] * (1 + abs(expected))
    return float(np.mean(np.all(abs(found - expected) <= allowed, axis=1)))


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("num_rows", [1, 8, 9, 16, 17, 40, 90])
def test_experts_are_mixed_as_on_the_cpu(
    device: Device, precision: Precision, num_rows: int
) -> None:
    """Each form of the products, and steps of more than one slab."""
    residual = residual_of(num_rows)
    found, expected = Bench(device, precision)(residual), on_cpu(precision, residual)
    assert share_of_close(found, expected, precision) >= (
        1 if precision is Precision.FLOAT32 else 0.9
    )


@pytest.mark.parametrize("precision", list(Precision))
def test_the_residual_may_be_taken_as_it_is(device: Device, precision: Precision) -> None:
    residual = residual_of(5)
    found = Bench(device, precision)(residual, has_norm=False)
    expected = on_cpu(precision, residual, has_norm=False)
    assert share_of_close(found, expected, precision) == 1


def test_a_row_that_is_no_number_spoils_no_other(device: Device) -> None:
    bench, residual = Bench(device, Precision.BFLOAT16), residual_of(12)
    expected = bench(residual)
    residual[5] = np.nan
    found = bench(residual)
    assert np.isnan(found[5]).all()
    np.testing.assert_array_equal(np.delete(found, 5, 0), np.delete(expected, 5, 0))


def test_rows_that_idle_in_a_graph_come_out_as_zeros_beside_others(device: Device) -> None:
    """In the first slab and in the last."""
    residual = residual_of(90)
    whole = Bench(device, Precision.BFLOAT16)(residual)
    for num_live in (25, 85):
        found = Bench(device, Precision.BFLOAT16, num_live)(residual)
        np.testing.assert_array_equal(found[:num_live], whole[:num_live])
        assert not found[num_live:].any()


@pytest.mark.parametrize("num_rows", [3, 30])
def test_it_is_recorded_once_whatever_rows_choose(device: Device, num_rows: int) -> None:
    bench = Bench(device, Precision.BFLOAT16)
    residual = on_device(device, residual_of(num_rows))
    out = empty_on(device, (num_rows, HIDDEN), np.float32)

    def work() -> None:
        bench.mix(residual, bench.norm, bench.choice, bench.experts, out)

    work()
    graph = device.capture(work)
    other = -2 * residual_of(num_rows)
    pinned = device.allocate_pinned(other.nbytes).view(np.float32).reshape(other.shape)
    pinned[...] = other
    device.upload(residual, pinned)
    graph.launch()
    np.testing.assert_array_equal(to_host(device, out), bench(other))
