"""Residual and bias are added once, and only what is partial is summed."""

from __future__ import annotations

import numpy as np

from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.ops.protocol import Joining, LinearWeights
from forge_worker.parallel.communicator import Communicator, SingleRank
from forge_worker.parallel.sharded_ops import ShardedOps
from tests.worker.parallel.thread_ranks import on_ranks

GENERATOR = np.random.default_rng(0)
RESIDUAL, X, WEIGHT, BIAS = (
    GENERATOR.standard_normal(shape).astype(np.float32) for shape in ((5, 6), (5, 8), (6, 8), (6,))
)


def summed(ranks: Communicator) -> np.ndarray:
    own = slice(4 * ranks.shard.rank, 4 * ranks.shard.rank + 4)
    residual = RESIDUAL.copy()
    ShardedOps(NumpyOps(), ranks).add_linear(
        residual, X[:, own], LinearWeights(WEIGHT[:, own], BIAS), Joining()
    )
    return residual


def test_partial_sums_meet_with_residual_and_bias_added_once() -> None:
    first, second = on_ranks(2, summed)
    np.testing.assert_allclose(first, RESIDUAL + X @ WEIGHT.T + BIAS, atol=1e-5)
    assert (first == second).all()


def test_logits_of_all_ranks_lie_side_by_side() -> None:
    def logits(ranks: Communicator) -> np.ndarray:
        own = slice(3 * ranks.shard.rank, 3 * ranks.shard.rank + 3)
        gathered: np.ndarray = ShardedOps(NumpyOps(), ranks).logits(X, WEIGHT[own], None)
        return gathered

    for gathered in on_ranks(2, logits):
        np.testing.assert_allclose(gathered, X @ WEIGHT.T, atol=1e-5)


def test_single_rank_changes_nothing() -> None:
    array = RESIDUAL.copy()
    SingleRank().all_reduce_sum(array)
    assert (array == RESIDUAL).all()
    assert SingleRank().all_gather_columns(array) is array
