"""How many blocks share a context, and the workspace for what they find."""

from __future__ import annotations

import pytest

from forge_worker.cuda.attention_split import MAX_BLOCKS, SPLIT_STEP, AttentionLimits, Splitting

H200_MULTIPROCESSORS = 132


def splitting(
    max_context: int, split_size: int | None = None, *, max_rows: int = 256, num_head_sets: int = 8
) -> Splitting:
    limits = AttentionLimits(max_rows, max_context, split_size)
    return Splitting(limits, num_head_sets, H200_MULTIPROCESSORS)


def test_one_long_context_fills_the_device() -> None:
    limits = splitting(32768).of(1)
    assert limits.num_blocks * 8 >= 2 * H200_MULTIPROCESSORS
    assert limits.max_splits == limits.num_blocks


def test_many_rows_fill_the_device_unsplit() -> None:
    assert splitting(32768, num_head_sets=16).of(256).num_blocks == 1


def test_no_block_gets_less_than_a_step() -> None:
    assert splitting(3 * SPLIT_STEP - 1).of(1).num_blocks == 3


def test_number_of_blocks_is_bounded() -> None:
    assert splitting(1 << 20, num_head_sets=1).of(1).num_blocks == MAX_BLOCKS


@pytest.mark.parametrize("num_rows", [1, 8, 256])
def test_fixed_size_covers_the_longest_context_for_any_batch(num_rows: int) -> None:
    limits = splitting(100_000, 512).of(num_rows)
    assert limits.min_tokens == 512
    assert limits.max_splits == -(-100_000 // 512)


def test_fixed_size_is_a_number_of_steps() -> None:
    with pytest.raises(ValueError, match="100 tokens are no multiple of 64"):
        splitting(1000, 100)


@pytest.mark.parametrize("split_size", [None, 256])
def test_workspace_holds_what_every_launch_leaves(split_size: int | None) -> None:
    num_heads, head_dim, num_head_sets = 32, 128, 8
    split = splitting(4096, split_size, max_rows=40, num_head_sets=num_head_sets)
    workspace = split.workspace(num_heads, head_dim)
    for num_rows in range(1, 41):
        max_splits = split.of(num_rows).max_splits
        num_parts = num_rows * num_heads * max_splits if max_splits > 1 else 0
        assert workspace.counters >= 4 * num_rows * num_head_sets
        assert workspace.softmax >= 8 * num_parts
        assert workspace.attended >= 4 * num_parts * head_dim
    assert all(section % 256 == 0 for section in workspace)
    assert workspace.num_bytes == sum(workspace)


def test_workspace_of_a_large_batch_stays_small() -> None:
    assert splitting(131072).workspace(32, 128).num_bytes < 64 << 20
