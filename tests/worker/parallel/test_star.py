"""Every rank of a star ends up with the same bits."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from forge_common.sharding import Shard
from forge_worker.parallel.communicator import Communicator
from forge_worker.parallel.rank_link import RankLink
from forge_worker.parallel.star import StarCenter, StarPoint

Work = Callable[[Communicator], np.ndarray]
NUM_ROWS = 3000  # more than sockets hold


def on_star(num_ranks: int, work: Work) -> list[np.ndarray]:
    pairs = [socket.socketpair() for _ in range(1, num_ranks)]
    center = StarCenter([RankLink(ours, rank) for rank, (ours, _) in enumerate(pairs, start=1)])
    points = [
        StarPoint(RankLink(theirs, 0), Shard(rank, num_ranks))
        for rank, (_, theirs) in enumerate(pairs, start=1)
    ]
    with ThreadPoolExecutor(num_ranks) as threads:
        results = list(threads.map(work, [center, *points]))
    for end in (end for pair in pairs for end in pair):
        end.close()
    return results


def own(rank: int) -> np.ndarray:
    return np.random.default_rng(rank).standard_normal((NUM_ROWS, 40)).astype(np.float32)


@pytest.mark.parametrize("num_ranks", [1, 2, 4])
def test_sums_are_the_same_bits_everywhere(num_ranks: int) -> None:
    def work(ranks: Communicator) -> np.ndarray:
        array = own(ranks.shard.rank)
        ranks.all_reduce_sum(array)
        return array

    first, *others = on_star(num_ranks, work)
    np.testing.assert_allclose(first, sum(own(rank) for rank in range(num_ranks)), atol=1e-5)
    assert all((other == first).all() for other in others)


@pytest.mark.parametrize("num_ranks", [1, 2, 4])
def test_columns_lie_in_the_order_of_ranks(num_ranks: int) -> None:
    expected = np.concatenate([own(rank) for rank in range(num_ranks)], axis=1)
    for gathered in on_star(
        num_ranks, lambda ranks: ranks.all_gather_columns(own(ranks.shard.rank))
    ):
        assert (gathered == expected).all()


def test_ranks_know_their_place() -> None:
    places = on_star(3, lambda ranks: np.array(ranks.shard))
    assert [place.tolist() for place in places] == [[0, 3], [1, 3], [2, 3]]
