"""Plans gather every visible key once, and show nobody another's."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cpu.attention_plan import (
    GRANULES_PER_PIECE,
    QUERIES_PER_TILE,
    TOKENS_PER_GATHER,
    AttentionPlan,
    plan_attention,
)
from tests.worker.forward import Work, make_inputs


def plan(works: list[tuple[int, int]], block_size: int, window: int | None = None) -> AttentionPlan:
    """`works` are (num_computed, num_scheduled); each sequence has blocks of its own."""
    next_block, batch = 0, []
    for num_computed, num_scheduled in works:
        num_blocks = -(-(num_computed + num_scheduled) // block_size)
        table = list(range(next_block, next_block + num_blocks))[::-1]
        next_block += num_blocks
        batch.append(Work([0] * num_scheduled, num_computed, table))
    return plan_attention(make_inputs(batch, block_size), block_size, window)


@pytest.mark.parametrize(
    ("block_size", "granule"), [(1, 1), (7, 1), (8, 8), (16, 16), (24, 8), (64, 16), (1000, 8)]
)
def test_granules_divide_blocks(block_size: int, granule: int) -> None:
    assert plan([(0, 3)], block_size).granule == granule


def test_single_tokens_and_chunks_go_apart() -> None:
    mixed = plan([(9, 1), (0, 5), (0, 1), (4, 2)], block_size=4)
    assert sorted(row for group in mixed.decode_groups for row in group.rows) == [0, 6]
    assert [chunk.tiles[0].rows for chunk in mixed.chunks] == [slice(1, 6), slice(7, 9)]


def test_sequence_without_tokens_is_left_alone() -> None:
    assert plan([(9, 0), (9, 0)], block_size=4) == AttentionPlan(4, (), ())


def test_gathers_are_bounded_unless_one_context_is_longer() -> None:
    many = plan([(99, 1)] * 20 + [(2000, 1)], block_size=16)
    sizes = [sum(piece.mask.size for piece in group.pieces) for group in many.decode_groups]
    assert sorted(sizes)[-1] == 2016
    assert all(size <= TOKENS_PER_GATHER + 16 * 20 for size in sorted(sizes)[:-1])


def test_like_contexts_are_gathered_together() -> None:
    groups = plan([(9, 1), (100, 1), (9, 1), (100, 1)], block_size=16).decode_groups
    assert [group.rows.tolist() for group in groups] == [[0, 2], [1, 3]]


@pytest.mark.parametrize("window", [None, 1, 5, 16, 40])
def test_single_token_sees_its_context_through_the_window(window: int | None) -> None:
    (group,) = plan([(36, 1)], block_size=8, window=window).decode_groups
    (piece,) = group.pieces
    visible = int((piece.mask[0] == 0).sum())
    assert visible == min(37, window or 37)
    assert piece.mask.size < visible + 2 * 8


def test_long_context_is_gathered_piece_by_piece() -> None:
    (group,) = plan([(3000, 1)], block_size=16).decode_groups
    lengths = [piece.granules.shape[1] for piece in group.pieces]
    assert lengths == [GRANULES_PER_PIECE, GRANULES_PER_PIECE, 188 - 2 * GRANULES_PER_PIECE]
    assert sum(int((piece.mask == 0).sum()) for piece in group.pieces) == 3001


def test_huge_block_is_read_only_as_far_as_the_context_goes() -> None:
    (group,) = plan([(36, 1)], block_size=1024).decode_groups
    assert group.pieces[0].granules.tolist() == [[0, 1, 2]]


def test_granules_follow_the_block_table() -> None:
    (group,) = plan([(36, 1)], block_size=32).decode_groups
    assert group.pieces[0].granules.tolist() == [[2, 3, 0]]  # blocks 1, 0 of two granules each


def test_long_chunks_are_tiled() -> None:
    (chunk,) = plan([(10, 2 * QUERIES_PER_TILE + 1)], block_size=16).chunks
    sizes = [tile.rows.stop - tile.rows.start for tile in chunk.tiles]
    assert sizes == [QUERIES_PER_TILE, QUERIES_PER_TILE, 1]
    assert chunk.tiles[0].keys == slice(0, 10 + QUERIES_PER_TILE)


@pytest.mark.parametrize("window", [None, 3, 20])
def test_chunk_masks_show_each_query_what_it_may_see(window: int | None) -> None:
    (chunk,) = plan([(30, 9)], block_size=4, window=window).chunks
    (tile,) = chunk.tiles
    num_keys = tile.keys.stop - tile.keys.start
    num_unmasked = num_keys - tile.mask.shape[1]
    visible = (tile.mask == 0).sum(axis=1) + num_unmasked
    assert visible.tolist() == [min(p + 1, window or p + 1) for p in range(30, 39)]


def test_masks_are_zero_or_minus_infinity() -> None:
    (chunk,) = plan([(0, 9)], block_size=4).chunks
    assert set(np.unique(chunk.tiles[0].mask)) == {0, -np.inf}
