"""Where the turned pairs of a head lie in memory."""

from __future__ import annotations

import numpy as np
import pytest

from forge_common.checkpoint.rope_scaling import Rope
from forge_worker.rotary import rotate, rotation
from forge_worker.weights.head_order import head_order, reorder

HEAD_DIM = 16


@pytest.mark.parametrize("num_turned", [0, HEAD_DIM])
def test_heads_that_are_turned_whole_or_not_at_all_stay(num_turned: int) -> None:
    assert head_order(HEAD_DIM, num_turned) is None
    assert head_order(HEAD_DIM, 0, pairs_neighbours=True) is None


@pytest.mark.parametrize("num_turned", [4, 12, HEAD_DIM])
def test_neighbours_come_apart(num_turned: int) -> None:
    order = head_order(HEAD_DIM, num_turned, pairs_neighbours=True)
    assert order is not None
    assert sorted(order) == list(range(HEAD_DIM))
    pairs = zip(order[: HEAD_DIM // 2], order[HEAD_DIM // 2 :], strict=True)
    turned = list(pairs)[: num_turned // 2]
    assert turned == [(2 * i, 2 * i + 1) for i in range(num_turned // 2)]


@pytest.mark.parametrize("num_turned", [2, 4, 12, 14])
def test_order_pairs_what_the_stored_one_pairs(num_turned: int) -> None:
    order = head_order(HEAD_DIM, num_turned)
    assert order is not None
    assert sorted(order) == list(range(HEAD_DIM))
    pairs = zip(order[: HEAD_DIM // 2], order[HEAD_DIM // 2 :], strict=True)
    turned = list(pairs)[: num_turned // 2]
    assert turned == [(i, i + num_turned // 2) for i in range(num_turned // 2)]


def test_scores_are_those_of_turning_the_first_dimensions_alone() -> None:
    num_turned, positions = 12, np.array([3, 11], np.int32)
    order = head_order(HEAD_DIM, num_turned)
    assert order is not None
    stored = np.random.default_rng(5).standard_normal((2, 1, HEAD_DIM)).astype(np.float32)
    expected = stored.copy()
    part = Rope(100.0, None, num_turned)
    rotate(expected[..., :num_turned], rotation(part, num_turned, positions), slice(0, 2))
    ours = np.stack([reorder(head[0], order)[None] for head in stored])
    rotate(ours, rotation(part, HEAD_DIM, positions), slice(0, 2))
    np.testing.assert_allclose(ours[0, 0] @ ours[1, 0], expected[0, 0] @ expected[1, 0], rtol=1e-5)


def test_each_head_of_a_weight_is_reordered() -> None:
    order = head_order(4, 2)
    assert order is not None
    weight = np.arange(8)[:, None] * np.ones((1, 3))
    assert reorder(weight, order)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
