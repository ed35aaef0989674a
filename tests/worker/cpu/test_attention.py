"""Paged attention against the textbook's, position by position."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cpu import attention_plan
from forge_worker.cpu.attention import attend
from forge_worker.cpu.attention_plan import plan_attention
from forge_worker.cpu.thread_pool import ThreadPool
from forge_worker.forward_inputs import ForwardInputs
from forge_worker.ops.protocol import KVLayer
from tests.worker.forward import Work, make_inputs

HEAD_DIM = 8
NUM_BLOCKS = 64


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def dense(
    query: np.ndarray, kv: KVLayer, inputs: ForwardInputs, block_size: int, window: int | None
) -> np.ndarray:
    """One query at a time, over exactly the keys that it may see."""
    out = np.empty_like(query)
    for row, position in enumerate(inputs.positions):
        sequence = np.searchsorted(inputs.query_starts, row, side="right") - 1
        seen = np.arange(0 if window is None else max(0, position - window + 1), position + 1)
        blocks = inputs.block_tables[sequence, seen // block_size]
        keys, values = (cached[blocks, seen % block_size] for cached in kv)
        scores = np.einsum("hgd,lhd->hgl", query[row], keys).astype(np.float64)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        out[row] = np.einsum("hgl,lhd->hgd", weights, values)
    return out


def batch(works: list[tuple[int, int]], block_size: int) -> ForwardInputs:
    free = np.random.default_rng(1).permutation(NUM_BLOCKS * 16 // block_size).tolist()
    tables = [[free.pop() for _ in range(-(-sum(work) // block_size))] for work in works]
    return make_inputs(
        [Work([0] * work[1], work[0], table) for work, table in zip(works, tables, strict=True)],
        block_size,
    )


WORKS = [(0, 1), (30, 1), (0, 40), (17, 130), (99, 1), (5, 2), (15, 1), (16, 1), (3, 16)]


@pytest.mark.parametrize("heads", [(1, 4), (2, 2), (4, 1)])
@pytest.mark.parametrize("window", [None, 1, 11, 64, 500])
@pytest.mark.parametrize("block_size", [1, 4, 16, 24])
def test_paged_equals_dense(heads: tuple[int, int], window: int | None, block_size: int) -> None:
    inputs = batch(WORKS, block_size)
    shape = (NUM_BLOCKS * 16 // block_size, block_size, heads[0], HEAD_DIM)
    kv, query = KVLayer(random(*shape), random(*shape) + 1), random(inputs.num_tokens, *heads, 8)
    plan = plan_attention(inputs, block_size, window)
    ours = attend(query, kv, plan, None, ThreadPool(2))
    np.testing.assert_allclose(ours, dense(query, kv, inputs, block_size, window), atol=2e-5)


@pytest.mark.parametrize("window", [None, 7, 300])
def test_long_contexts_in_pieces_equal_dense(
    window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention_plan, "GRANULES_PER_PIECE", 2)
    inputs = batch([(200, 1), (64, 1), (3, 1), (90, 1), (0, 1)], 16)
    kv, query = KVLayer(random(64, 16, 2, 8) * 3, random(64, 16, 2, 8)), random(5, 2, 2, 8)
    ours = attend(query, kv, plan_attention(inputs, 16, window), None, ThreadPool(2))
    np.testing.assert_allclose(ours, dense(query, kv, inputs, 16, window), atol=2e-5)


def test_large_scores_do_not_overflow() -> None:
    inputs = batch([(0, 9), (20, 1)], 16)
    kv, query = KVLayer(random(64, 16, 1, 8) * 1e4, random(64, 16, 1, 8)), random(10, 1, 1, 8) * 1e4
    out = attend(query, kv, plan_attention(inputs, 16, None), None, ThreadPool(1))
    assert np.isfinite(out).all()
