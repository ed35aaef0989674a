from __future__ import annotations

import pytest

from forge_scheduler.kv_cache.manager import KVCacheManager
from forge_scheduler.sequence import Sequence
from tests.builders import make_sequence


def make_manager(num_blocks: int = 8, *, has_prefix_cache: bool = True) -> KVCacheManager:
    return KVCacheManager(num_blocks, block_size=4, has_prefix_cache=has_prefix_cache)


def start(manager: KVCacheManager, sequence: Sequence) -> list[int]:
    return manager.start(sequence, manager.match(sequence))


def computed(manager: KVCacheManager, prompt: list[int] | int, **sampling: int) -> Sequence:
    sequence = make_sequence(prompt, **sampling)
    start(manager, sequence)
    manager.commit(sequence, len(sequence.token_ids))
    return sequence


def test_start_places_every_known_token() -> None:
    manager = make_manager()
    assert len(start(manager, make_sequence(9))) == 3
    assert manager.num_free_blocks == 5


@pytest.mark.parametrize(("num_tokens", "num_new"), [(8, 0), (9, 1), (16, 2)])
def test_grow_adds_just_the_missing_blocks(num_tokens: int, num_new: int) -> None:
    manager, sequence = make_manager(), make_sequence(8)
    start(manager, sequence)
    added = manager.grow(sequence, num_tokens)
    assert added == sequence.block_table[2:]
    assert len(added) == num_new


def test_grow_takes_nothing_when_it_cannot_take_all() -> None:
    manager, sequence = make_manager(num_blocks=3), make_sequence(8)
    start(manager, sequence)
    assert manager.grow(sequence, 16) is None
    assert manager.num_free_blocks == 1


def test_computed_prompt_is_found_and_shared() -> None:
    manager = make_manager()
    first = computed(manager, 9)
    match = manager.match(make_sequence(9))
    assert match.block_ids == first.block_table[:2]
    assert match.num_tokens == 8


def test_a_full_hit_leaves_the_last_block_to_run() -> None:
    manager = make_manager()
    computed(manager, 8)
    assert manager.match(make_sequence(8)).num_tokens == 4


def test_uncommitted_blocks_are_not_found() -> None:
    manager = make_manager()
    start(manager, make_sequence(9))
    assert manager.match(make_sequence(9)).block_ids == []


def test_blocks_not_yet_full_are_not_committed() -> None:
    manager, sequence = make_manager(), make_sequence(9)
    start(manager, sequence)
    manager.commit(sequence, 7)
    assert manager.match(make_sequence(9)).num_tokens == 4


def test_released_blocks_are_still_found_until_they_are_reused() -> None:
    manager = make_manager(num_blocks=3)
    manager.release(computed(manager, 9))
    assert manager.match(make_sequence(9)).num_tokens == 8
    start(manager, make_sequence([7] * 12))
    assert manager.match(make_sequence(9)).num_tokens == 0


def test_tail_of_a_released_sequence_is_reused_before_its_head() -> None:
    manager = make_manager(num_blocks=3)
    manager.release(computed(manager, 13 - 1))
    start(manager, make_sequence([7] * 4))
    assert manager.match(make_sequence(12)).num_tokens == 8


def test_room_counts_free_blocks_that_a_match_would_revive() -> None:
    manager = make_manager(num_blocks=4)
    manager.release(computed(manager, 9))
    sequence = make_sequence(17)
    assert not manager.can_start(sequence, manager.match(sequence), 0)
    shorter = make_sequence(16)
    assert manager.can_start(shorter, manager.match(shorter), 0)
    assert not manager.can_start(shorter, manager.match(shorter), 1)


def test_prompt_whose_logprobs_are_asked_for_hits_nothing() -> None:
    manager = make_manager()
    computed(manager, 9)
    assert manager.match(make_sequence(9, num_prompt_logprobs=0)).num_tokens == 0


def test_without_prefix_cache_nothing_is_found() -> None:
    manager = make_manager(has_prefix_cache=False)
    first = computed(manager, 9)
    assert manager.match(make_sequence(9)).num_tokens == 0
    assert not manager.can_share_prompt(first)


@pytest.mark.parametrize(("num_prompt_tokens", "can_share"), [(4, False), (5, True)])
def test_a_prompt_is_shared_by_whole_blocks(num_prompt_tokens: int, can_share: bool) -> None:
    assert make_manager().can_share_prompt(make_sequence(num_prompt_tokens)) is can_share


@pytest.mark.parametrize(("max_num_tokens", "may_grow"), [(9, False), (10, True)])
def test_last_token_needs_no_block(max_num_tokens: int, may_grow: bool) -> None:
    manager, sequence = make_manager(), make_sequence(8, max_num_tokens=max_num_tokens)
    start(manager, sequence)
    assert manager.may_grow(sequence) is may_grow


def test_one_block_of_the_whole_context_is_the_naive_cache() -> None:
    manager = KVCacheManager(2, block_size=100, has_prefix_cache=False)
    sequence = make_sequence(9, max_num_tokens=100)
    assert len(start(manager, sequence)) == 1
    assert not manager.may_grow(sequence)


def test_memory_that_was_reset_holds_nothing_and_may_have_another_size() -> None:
    manager = make_manager()
    prompt = list(range(9))
    manager.release(computed(manager, prompt))
    manager.reset(num_blocks=5, block_size=2)
    assert (manager.num_blocks, manager.num_free_blocks) == (5, 5)
    assert manager.match(make_sequence(prompt)).block_ids == []
    manager.release(computed(manager, prompt))
    assert len(manager.match(make_sequence(prompt)).block_ids) == 4


def test_memory_without_a_prefix_cache_has_none_after_a_reset() -> None:
    manager = make_manager(has_prefix_cache=False)
    manager.reset(num_blocks=8, block_size=4)
    manager.release(computed(manager, 9))
    assert manager.match(make_sequence(9)).block_ids == []


@pytest.mark.parametrize(("num_kept", "num_places"), [(0, 27), (2, 19), (5, 7), (6, 3), (9, 3)])
def test_free_places_leave_blocks_to_others(num_kept: int, num_places: int) -> None:
    """Of 8 blocks of 4 tokens it owns two, with 5 tokens computed."""
    manager, sequence = make_manager(), make_sequence(5)
    start(manager, sequence)
    sequence.num_computed_tokens = 5
    assert manager.num_free_places(sequence, num_kept) == num_places
