"""Each operation against its formula, for few tokens (column order) and many (row order)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forge_worker.cpu.numpy_ops import NumpyOps, NumpyStep
from forge_worker.ops.protocol import HeadNorms, KVLayer, LinearWeights
from tests.worker.forward import Work, make_inputs
from tests.worker.tiny_models import write_model_config

NUM_TOKENS = (1, 2, 17, 64, 65, 200)


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape[0]).standard_normal(shape).astype(np.float32)


def assert_close(ours: np.ndarray, reference: np.ndarray) -> None:
    np.testing.assert_allclose(ours, reference, rtol=2e-5, atol=2e-5)


@pytest.fixture(params=[1, 2])
def ops(request: pytest.FixtureRequest) -> NumpyOps:
    return NumpyOps(request.param)


def make_step(directory: Path, ops: NumpyOps, num_tokens: int) -> NumpyStep:
    inputs = make_inputs([Work(list(range(num_tokens)), 3, list(range(20)))], 16, all_rows=False)
    return ops.begin_step(inputs, write_model_config(directory), 16)


@pytest.mark.parametrize("num_tokens", NUM_TOKENS)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("has_bias", [False, True])
def test_linear(ops: NumpyOps, num_tokens: int, order: str, has_bias: bool) -> None:
    x, weight, bias = np.array(random(num_tokens, 48), order=order), random(70, 48), random(70)
    ours = ops.linear(x, LinearWeights(weight, bias if has_bias else None))
    assert_close(ours, x @ weight.T + bias * has_bias)


def test_linear_large_enough_for_several_threads() -> None:
    x, weight = random(40, 512), random(300, 512)
    np.testing.assert_allclose(
        NumpyOps(3).linear(x, LinearWeights(weight, None)), x @ weight.T, atol=1e-3
    )


@pytest.mark.parametrize("num_tokens", NUM_TOKENS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_add_rms_norm(ops: NumpyOps, num_tokens: int, order: str) -> None:
    x, residual, weight = np.array(random(num_tokens, 32), order=order), random(num_tokens, 32), 2.0
    total = x + residual
    ours = ops.add_rms_norm(x, residual, np.full(32, weight, np.float32), 1e-5)
    assert_close(ours, weight * total / np.sqrt((total**2).mean(-1, keepdims=True) + 1e-5))
    assert_close(residual, total)


def test_norm_without_anything_to_add(ops: NumpyOps) -> None:
    residual = random(3, 32)
    ours = ops.add_rms_norm(None, residual.copy(), np.ones(32, np.float32), 1e-5)
    assert_close(ours, residual / np.sqrt((residual**2).mean(-1, keepdims=True) + 1e-5))


@pytest.mark.parametrize("num_tokens", NUM_TOKENS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_silu_mul(ops: NumpyOps, num_tokens: int, order: str) -> None:
    gate, up = random(num_tokens, 24), random(num_tokens, 24) + 1
    gate_up = np.array(np.concatenate([gate, up], axis=1), order=order)
    assert_close(ops.silu_mul(gate_up), gate / (1 + np.exp(-gate)) * up)


def test_silu_of_very_negative_gates_is_zero(ops: NumpyOps) -> None:
    gate_up = np.array([[-1e4, -200.0, 1.0, 1.0]], np.float32)
    assert ops.silu_mul(gate_up).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("num_tokens", [1, 40, 130])
def test_keys_and_values_go_to_their_slots(tmp_path: Path, ops: NumpyOps, num_tokens: int) -> None:
    step, qkv = make_step(tmp_path, ops, num_tokens), random(num_tokens, (4 + 2 + 2) * 8)
    kv = KVLayer(ops.zeros((20, 16, 2, 8)), ops.zeros((20, 16, 2, 8)))
    values = qkv[:, 48:].reshape(-1, 2, 8).copy()
    query = ops.rotate_and_store(qkv, None, step, kv)
    assert query.shape == (num_tokens, 4, 8)
    assert (kv.values.reshape(-1, 2, 8)[3 : 3 + num_tokens] == values).all()
    assert np.count_nonzero(kv.keys.any(axis=(2, 3))) == num_tokens


def test_heads_are_normed_before_they_turn(tmp_path: Path, ops: NumpyOps) -> None:
    step, weight = make_step(tmp_path, ops, 5), np.full(8, 3.0, np.float32)
    kv = KVLayer(ops.zeros((20, 16, 2, 8)), ops.zeros((20, 16, 2, 8)))
    query = ops.rotate_and_store(random(5, 64) * 9, HeadNorms(weight, weight, 1e-6), step, kv)
    assert_close(np.square(query).mean(-1), np.full((5, 4), 9.0))


@pytest.mark.parametrize("num_rows", [0, 1, 5, 70])
def test_logits_lie_row_after_row(ops: NumpyOps, num_rows: int) -> None:
    x, weight = np.ones((num_rows, 16), np.float32), random(2500, 16)
    logits = ops.logits(x, weight)
    assert logits.flags.c_contiguous
    assert_close(logits, x @ weight.T)


def test_wanted_rows_are_taken(tmp_path: Path, ops: NumpyOps) -> None:
    x = random(9, 4)
    assert (ops.logit_rows(x, make_step(tmp_path, ops, 9)) == x[[8]]).all()


def test_embedding_rows_are_taken(tmp_path: Path, ops: NumpyOps) -> None:
    table = random(40, 4)
    assert (ops.embed(table, make_step(tmp_path, ops, 9)) == table[:9]).all()
