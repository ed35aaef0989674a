"""Each operation against its formula, for few tokens (column order) and many (row order)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forge_worker.cpu.numpy_ops import NumpyOps, NumpyStep
from forge_worker.ops.protocol import HeadNorms, Joining, LinearWeights, RmsNorm
from tests.worker.forward import Work, make_inputs
from tests.worker.tiny_models import write_model_config

NUM_TOKENS = (1, 2, 17, 64, 65, 200)


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape[0]).standard_normal(shape).astype(np.float32)


def assert_close(ours: np.ndarray, reference: np.ndarray) -> None:
    np.testing.assert_allclose(ours, reference, rtol=2e-5, atol=2e-5)


NORM = RmsNorm(random(48), 1e-5)


@pytest.fixture(params=[1, 2])
def ops(request: pytest.FixtureRequest) -> NumpyOps:
    return NumpyOps(request.param)


def make_step(directory: Path, ops: NumpyOps, num_tokens: int) -> NumpyStep:
    inputs = make_inputs([Work(list(range(num_tokens)), 3, list(range(20)))], 16, all_rows=False)
    return ops.begin_step(inputs, write_model_config(directory), 16)


def normed(x: np.ndarray, norm: RmsNorm) -> np.ndarray:
    return norm.weight * x / np.sqrt((x**2).mean(-1, keepdims=True) + norm.eps)


def random_weights(num_outputs: int, num_inputs: int, has_bias: bool) -> LinearWeights:
    weight = random(num_outputs, num_inputs) * np.float32(num_inputs**-0.5)
    return LinearWeights(weight, random(num_outputs) if has_bias else None)


def applied(x: np.ndarray, weights: LinearWeights) -> np.ndarray:
    return x @ weights.weight.T + (0 if weights.bias is None else weights.bias)


@pytest.mark.parametrize("num_tokens", NUM_TOKENS)
@pytest.mark.parametrize("has_bias", [False, True])
def test_norm_linear(ops: NumpyOps, num_tokens: int, has_bias: bool) -> None:
    residual, weights = random(num_tokens, 48), random_weights(70, 48, has_bias)
    before = residual.copy()
    ours = ops.norm_linear(residual, NORM, weights)
    assert_close(ours, applied(normed(before, NORM), weights))
    assert (residual == before).all()


@pytest.mark.parametrize("num_tokens", NUM_TOKENS)
@pytest.mark.parametrize("has_bias", [False, True])
def test_norm_gated(ops: NumpyOps, num_tokens: int, has_bias: bool) -> None:
    residual, weights = random(num_tokens, 48), random_weights(2 * 24, 48, has_bias)
    gate, up = np.split(applied(normed(residual, NORM), weights), 2, axis=1)
    assert_close(ops.norm_gated(residual, NORM, weights, "silu"), gate / (1 + np.exp(-gate)) * up)


def test_silu_of_very_negative_gates_is_zero(ops: NumpyOps) -> None:
    weight = np.array([[-1e4, 0.0], [0.0, -200.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    norm = RmsNorm(np.ones(2, np.float32), 1e-5)
    gated = ops.norm_gated(np.ones((1, 2), np.float32), norm, LinearWeights(weight, None), "silu")
    assert gated.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("num_tokens", NUM_TOKENS)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("has_bias", [False, True])
def test_add_linear(ops: NumpyOps, num_tokens: int, order: str, has_bias: bool) -> None:
    x, weights = np.array(random(num_tokens, 48), order=order), random_weights(70, 48, has_bias)
    residual = random(num_tokens, 70)
    expected = residual + applied(x, weights)
    ops.add_linear(residual, x, weights, Joining())
    assert_close(residual, expected)


def test_linear_large_enough_for_several_threads() -> None:
    x, weight, residual = random(40, 512), random(300, 512), np.zeros((40, 300), np.float32)
    NumpyOps(3).add_linear(residual, x, LinearWeights(weight, None), Joining())
    np.testing.assert_allclose(residual, x @ weight.T, atol=1e-3)


@pytest.mark.parametrize("num_tokens", [1, 40, 130])
def test_keys_and_values_go_to_their_slots(tmp_path: Path, ops: NumpyOps, num_tokens: int) -> None:
    step, qkv = make_step(tmp_path, ops, num_tokens), random(num_tokens, (4 + 2 + 2) * 8)
    kv = ops.kv_layer(20, 16, write_model_config(tmp_path))
    values = qkv[:, 48:].reshape(-1, 2, 8).copy()
    query = ops.rotate_and_store(qkv, None, step.config.ropes[0], step, kv)
    assert query.shape == (num_tokens, 4, 8)
    assert (kv.values.reshape(-1, 2, 8)[3 : 3 + num_tokens] == values).all()
    assert np.count_nonzero(kv.keys.any(axis=(2, 3))) == num_tokens


def test_heads_are_normed_before_they_turn(tmp_path: Path, ops: NumpyOps) -> None:
    step, weight = make_step(tmp_path, ops, 5), np.full(8, 3.0, np.float32)
    kv = ops.kv_layer(20, 16, write_model_config(tmp_path))
    norms, rope = HeadNorms(weight, weight, 1e-6), step.config.ropes[0]
    query = ops.rotate_and_store(random(5, 64) * 9, norms, rope, step, kv)
    assert_close(np.square(query).mean(-1), np.full((5, 4), 9.0))


@pytest.mark.parametrize("num_rows", [0, 1, 5, 70])
def test_logits_lie_row_after_row(ops: NumpyOps, num_rows: int) -> None:
    x, weight = np.ones((num_rows, 16), np.float32), random(2500, 16)
    logits = ops.logits(x, weight, None)
    assert logits.flags.c_contiguous
    assert_close(logits, x @ weight.T)


def test_wanted_rows_are_normed(tmp_path: Path, ops: NumpyOps) -> None:
    residual = random(9, 48)
    ours = ops.final_norm(residual, NORM, make_step(tmp_path, ops, 9))
    assert_close(ours, normed(residual[[8]], NORM))


def test_embedding_rows_are_taken(tmp_path: Path, ops: NumpyOps) -> None:
    table = random(40, 4)
    assert (ops.embed(table, make_step(tmp_path, ops, 9)) == table[:9]).all()


def test_scrub_makes_named_blocks_finite_and_keeps_the_rest(tmp_path: Path, ops: NumpyOps) -> None:
    kv = ops.kv_layer(3, 16, write_model_config(tmp_path))
    kv.keys[...], kv.values[...] = np.nan, np.inf
    kv.keys[1, 0] = 5.0
    ops.scrub(kv, [1])
    assert (kv.keys[1, 0] == 5.0).all()
    assert not kv.keys[1, 1:].any()
    assert not kv.values[1].any()
    assert np.isnan(kv.keys[[0, 2]]).all()
