from __future__ import annotations

from forge_scheduler.kv_cache.prefix_cache import PrefixCache

TOKENS = [1, 2, 3, 4, 5, 6]


def hashes_of(cache: PrefixCache, token_ids: list[int]) -> list[bytes]:
    hashes: list[bytes] = []
    cache.extend_hashes(hashes, token_ids, len(token_ids) // 2)
    return hashes


def filled(token_ids: list[int]) -> PrefixCache:
    """Blocks of two tokens; block i of the sequence is block 10 + i."""
    cache = PrefixCache(2)
    hashes = hashes_of(cache, token_ids)
    for index in range(len(hashes)):
        cache.insert(hashes, token_ids, index, 10 + index)
    return cache


def match(cache: PrefixCache, token_ids: list[int]) -> list[int]:
    return cache.match(hashes_of(cache, token_ids), token_ids, len(token_ids) // 2)


def test_same_tokens_meet_the_same_blocks() -> None:
    assert match(filled(TOKENS), TOKENS) == [10, 11, 12]


def test_match_ends_where_tokens_differ() -> None:
    assert match(filled(TOKENS), [1, 2, 3, 9, 5, 6]) == [10]


def test_equal_tokens_behind_another_prefix_do_not_match() -> None:
    assert match(filled(TOKENS), [9, 9, 3, 4]) == []


def test_forgotten_block_ends_the_match() -> None:
    cache = filled(TOKENS)
    cache.forget(11)
    assert 11 not in cache
    assert match(cache, TOKENS) == [10]


def test_first_block_with_some_content_stays_the_one_that_is_found() -> None:
    cache = filled(TOKENS)
    cache.insert(hashes_of(cache, TOKENS), TOKENS, 0, 20)
    assert 20 not in cache
    assert match(cache, TOKENS)[0] == 10


def test_match_may_be_cut_short() -> None:
    cache = filled(TOKENS)
    assert cache.match(hashes_of(cache, TOKENS), TOKENS, 2) == [10, 11]


def test_hashes_are_extended_not_computed_anew() -> None:
    cache = PrefixCache(2)
    hashes = hashes_of(cache, TOKENS[:2])
    cache.extend_hashes(hashes, TOKENS, 3)
    assert hashes == hashes_of(cache, TOKENS)


def test_colliding_hash_is_no_hit() -> None:
    cache = filled(TOKENS)
    assert cache.match(hashes_of(cache, TOKENS), [7, 7, 7, 7], 2) == []


def test_two_processes_hash_differently() -> None:
    assert hashes_of(PrefixCache(2), TOKENS) != hashes_of(PrefixCache(2), TOKENS)
