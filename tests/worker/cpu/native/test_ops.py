"""The operations of a decoder against NumPy's, in float32 throughout."""

from __future__ import annotations

import numpy as np
import pytest

from forge_common.checkpoint.families import Activation
from forge_worker.cpu.native.ops import NativeOps
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.forward_inputs import FloatArray
from forge_worker.ops.protocol import Expert, ExpertChoice, Joining, LinearWeights, RmsNorm
from forge_worker.weights.stored_tensor import StoredTensor
from tests.worker.cpu.native.native_ops import make_ops, normal, placed
from tests.worker.cpu.native.steps import begin

HIDDEN = 72
BATCHES = (1, 2, 7, 33)
NUMPY = NumpyOps()


@pytest.fixture(scope="module", params=[1, 3])
def ops(request: pytest.FixtureRequest) -> NativeOps:
    return make_ops("f32", num_threads=request.param)


def weights(
    ops: NativeOps, num_rows: int, num_columns: int = HIDDEN, has_bias: bool = False
) -> tuple[LinearWeights, LinearWeights]:
    """Of the ops, and as they are."""
    weight = normal(num_rows, num_rows, num_columns) * np.float32(num_columns**-0.5)
    bias = normal(5, num_rows) if has_bias else None
    own = None if bias is None else ops.place([StoredTensor("F32", bias)])
    return LinearWeights(placed(ops, weight), own), LinearWeights(weight, bias)


def norms(ops: NativeOps, size: int = HIDDEN) -> tuple[RmsNorm, RmsNorm]:
    weight = normal(9, size)
    return RmsNorm(ops.place([StoredTensor("F32", weight)]), 1e-5), RmsNorm(weight, 1e-5)


def residual_of(ops: NativeOps, num_tokens: int) -> FloatArray:
    begin(ops, [0] * num_tokens)
    return normal(3, num_tokens, HIDDEN)


def assert_close(ours: FloatArray, reference: FloatArray) -> None:
    np.testing.assert_allclose(ours, reference, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("num_tokens", BATCHES)
@pytest.mark.parametrize("num_rows", [64, 91])
@pytest.mark.parametrize("has_bias", [False, True])
def test_norm_linear(ops: NativeOps, num_tokens: int, num_rows: int, has_bias: bool) -> None:
    residual, (ours, theirs) = (
        residual_of(ops, num_tokens),
        weights(ops, num_rows, HIDDEN, has_bias),
    )
    own_norm, norm = norms(ops)
    before = residual.copy()
    assert_close(ops.norm_linear(residual, own_norm, ours), NUMPY.norm_linear(before, norm, theirs))
    assert_close(ops.norm_linear(residual, None, ours), NUMPY.norm_linear(before, None, theirs))
    assert (residual == before).all()


@pytest.mark.parametrize("num_tokens", BATCHES)
@pytest.mark.parametrize("width", [48, 41])
@pytest.mark.parametrize("activation", ["silu", "gelu_tanh"])
@pytest.mark.parametrize("has_bias", [False, True])
def test_norm_gated(
    ops: NativeOps, num_tokens: int, width: int, activation: Activation, has_bias: bool
) -> None:
    residual, (ours, theirs) = (
        residual_of(ops, num_tokens),
        weights(ops, 2 * width, has_bias=has_bias),
    )
    own_norm, norm = norms(ops)
    result = ops.norm_gated(residual, own_norm, ours, activation)
    assert_close(result, NUMPY.norm_gated(residual.copy(), norm, theirs, activation))


def test_gates_far_below_zero_are_shut(ops: NativeOps) -> None:
    weight = np.zeros((32, 32), np.float32)
    weight[:16], weight[16:] = -1e4, 1.0
    residual = np.ones((1, 32), np.float32)
    begin(ops, [0])
    gated = ops.norm_gated(residual, None, LinearWeights(placed(ops, weight), None), "silu")
    assert np.abs(gated).max() < 1e-25


@pytest.mark.parametrize("num_tokens", BATCHES)
@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("scale", [1.0, 0.22])
@pytest.mark.parametrize("is_normed", [False, True])
def test_add_linear(
    ops: NativeOps, num_tokens: int, has_bias: bool, scale: float, is_normed: bool
) -> None:
    residual, x = residual_of(ops, num_tokens), normal(8, num_tokens, 50)
    ours, theirs = weights(ops, HIDDEN, 50, has_bias)
    own_norm, norm = norms(ops)
    reference = residual.copy()
    ops.add_linear(residual, x, ours, Joining(own_norm if is_normed else None, scale))
    NUMPY.add_linear(reference, x, theirs, Joining(norm if is_normed else None, scale))
    assert_close(residual, reference)


@pytest.mark.parametrize("num_tokens", BATCHES)
def test_rows_lose_their_mean(ops: NativeOps, num_tokens: int) -> None:
    residual = residual_of(ops, num_tokens) + np.float32(5)
    exact = residual - residual.mean(axis=1, keepdims=True, dtype=np.float64)
    ops.centre(residual)
    assert_close(residual, exact.astype(np.float32))


@pytest.mark.parametrize("num_tokens", BATCHES)
def test_experts_are_mixed(ops: NativeOps, num_tokens: int) -> None:
    residual = residual_of(ops, num_tokens)
    own_norm, norm = norms(ops)
    router = normal(1, 6, HIDDEN)
    pairs = [(weights(ops, 2 * (24 + e)), weights(ops, HIDDEN, 24 + e)) for e in range(6)]
    own_experts = [Expert(gate_up[0], down[0]) for gate_up, down in pairs]
    experts = [Expert(gate_up[1], down[1]) for gate_up, down in pairs]
    own_choice = ExpertChoice(placed(ops, router), 2, True)
    ours = ops.norm_experts(residual, own_norm, own_choice, own_experts, "silu")
    choice = ExpertChoice(router, 2, True)
    assert_close(ours, NUMPY.norm_experts(residual.copy(), norm, choice, experts, "silu"))


@pytest.mark.parametrize("num_rows", [0, 1, 5, 33])
def test_logits_are_bent_by_a_cap(ops: NativeOps, num_rows: int) -> None:
    x, weight = normal(1, num_rows, HIDDEN), normal(2, 100, HIDDEN)
    logits = ops.logits(x, placed(ops, weight), 3.0)
    assert logits.flags.c_contiguous
    assert_close(logits, NUMPY.logits(x, weight, 3.0))


def test_wanted_rows_are_normed(ops: NativeOps) -> None:
    step = begin(ops, [0] * 9)
    residual, (own_norm, norm) = normal(3, 9, HIDDEN), norms(ops)
    assert_close(ops.final_norm(residual, own_norm, step), NUMPY._normed(residual[[8]], norm))


def test_embedded_rows_are_scaled(ops: NativeOps) -> None:
    table, token_ids = normal(1, 40, HIDDEN), [3, 39, 0, 3, 16]
    step = begin(ops, token_ids)
    assert (ops.embed(placed(ops, table), step) == table[token_ids]).all()


def test_rows_of_a_packed_matrix_are_cut_between_tiles(ops: NativeOps) -> None:
    weight, x = normal(1, 100, HIDDEN), normal(2, 3, HIDDEN)
    begin(ops, [0] * 3)
    matrix = placed(ops, weight)
    assert len(matrix) == 100
    assert_close(ops.logits(x, matrix[32:64], None), x @ weight[32:64].T)
    assert_close(ops.logits(x, matrix[64:], None), x @ weight[64:].T)
    with pytest.raises(ValueError, match="inside a tile"):
        matrix[0:10]


def test_routers_stay_as_the_file_has_them_where_weights_are_quantised() -> None:
    ops = make_ops("q8_0")
    router = normal(1, 32, 64)
    assert ops.place_router(StoredTensor("F32", router)).parts[0].format.name == "f32"
    assert placed(ops, router).parts[0].format.name == "q8_0"
