"""What a rank reads of a tensor is a view of its own part."""

from __future__ import annotations

import numpy as np
import pytest

from forge_common.sharding import WHOLE_MODEL, Shard
from forge_worker.parallel.sharding import Sharding, own_part

WEIGHT = np.arange(8 * 12).reshape(8, 12)
BIAS = np.arange(8)


def parts(array: np.ndarray, sharding: Sharding, num_kv_parts: int = 2) -> list[np.ndarray]:
    return [own_part(array, sharding, Shard(rank, 4), num_kv_parts) for rank in range(4)]


def test_outputs_are_rows() -> None:
    assert (np.concatenate(parts(WEIGHT, Sharding.OUTPUTS)) == WEIGHT).all()
    assert (np.concatenate(parts(BIAS, Sharding.OUTPUTS)) == BIAS).all()


def test_inputs_are_columns() -> None:
    assert (np.concatenate(parts(WEIGHT, Sharding.INPUTS), axis=1) == WEIGHT).all()


def test_bias_of_split_inputs_is_everyones() -> None:
    assert all((part == BIAS).all() for part in parts(BIAS, Sharding.INPUTS))


def test_neighbours_share_a_kv_head() -> None:
    first, second, third, fourth = parts(WEIGHT, Sharding.KV_HEADS)
    assert (first == WEIGHT[:4]).all()
    assert (second == first).all()
    assert (third == WEIGHT[4:]).all()
    assert (fourth == third).all()


@pytest.mark.parametrize("sharding", Sharding)
def test_nothing_is_copied(sharding: Sharding) -> None:
    assert all(np.shares_memory(part, WEIGHT) for part in parts(WEIGHT, sharding))


@pytest.mark.parametrize("sharding", Sharding)
def test_single_rank_has_it_all(sharding: Sharding) -> None:
    assert (own_part(WEIGHT, sharding, WHOLE_MODEL, 1) == WEIGHT).all()
