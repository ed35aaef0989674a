"""What is guessed of a sequence, and how sure the guess is."""

from __future__ import annotations

import random
from time import perf_counter

import pytest

from forge_scheduler import drafter as module
from forge_scheduler.drafter import MAX_RATE, PRIOR_RATES, Drafter, NgramIndex

TEXT = random.Random(7).sample(range(1000), 80)


def drafter_of(prompt: list[int], output: list[int]) -> Drafter:
    drafter = Drafter(len(prompt))
    assert drafter.read([*prompt, *output])
    return drafter


def guess(prompt: list[int], output: list[int], num_tokens: int = 4, num_skipped: int = 0):
    drafter = drafter_of(prompt, output)
    return drafter.draft([*prompt, *output], num_skipped, num_tokens)


def test_what_followed_the_last_tokens_before_is_guessed_to_follow_again() -> None:
    assert guess(TEXT, TEXT[10:14]) == TEXT[14:18]


def test_the_end_of_the_prompt_counts_too() -> None:
    assert guess([*TEXT, *TEXT[10:14]], []) == TEXT[14:18]


def test_tokens_that_never_came_are_no_reason_to_guess() -> None:
    drafter = drafter_of(TEXT, [1001, 1002, 1003])
    assert drafter.rate == 0
    assert drafter.draft([*TEXT, 1001, 1002, 1003], 0, 4) == []


def test_fewer_tokens_than_an_ngram_are_no_reason_to_guess() -> None:
    assert guess([5], [5]) == []


def test_the_latest_of_several_places_is_followed() -> None:
    assert guess([1, 2, 3, 4, 1, 2, 3, 5], [1, 2, 3], num_tokens=1) == [5]


def test_the_longest_match_goes_first() -> None:
    prompt = [9, 8, 7, 1, 2, 3, 4, *TEXT[:10], 1, 2, 3, 5]
    assert guess(prompt, [9, 8, 7, 1, 2, 3], num_tokens=1) == [4]


def test_a_repetition_is_guessed_to_go_on_for_ever() -> None:
    assert guess([1, 2, 3], [1, 2, 3, 1, 2], num_tokens=7) == [3, 1, 2, 3, 1, 2, 3]


def test_pending_tokens_are_taken_to_be_the_guessed_ones() -> None:
    assert guess(TEXT, TEXT[10:14], num_skipped=1) == TEXT[15:19]


def test_after_an_edit_the_copy_goes_on_where_it_was_left() -> None:
    """Though the same n-gram came later too."""
    row = [1, 2, 3, 50, 4, 5, 6]
    prompt = [*row, 71, 72, *row, 81, 82, 4, 5, 6, 99]
    edited = [*row[:3], 51, *row[4:]]
    output = [*TEXT[:5], 71, 72, *edited]
    assert guess([*TEXT[:5], *prompt], output, num_tokens=2) == [81, 82]


def test_a_match_that_holds_is_trusted_more_and_one_that_fails_less() -> None:
    rates = [drafter_of(TEXT, TEXT[10 : 10 + length]).rate for length in (3, 6, 12, 24, 60)]
    assert rates == sorted(rates)
    assert rates[0] == PRIOR_RATES[0]
    failed = drafter_of(TEXT, [*TEXT[10:13], 1001, *TEXT[10:13]])
    assert failed.rate < PRIOR_RATES[0]


def test_nothing_is_certain() -> None:
    assert drafter_of([1, 2, 3], [1, 2, 3] * 400).rate == MAX_RATE


def test_reading_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    output = [*TEXT[10:30], 1001, *TEXT[31:50]]
    whole = drafter_of(TEXT, output)
    monkeypatch.setattr(module, "MAX_TOKENS_A_READING", 7)
    pieces = Drafter(len(TEXT))
    while not pieces.read([*TEXT, *output]):
        pass
    assert pieces.rate == whole.rate
    assert pieces.draft([*TEXT, *output], 0, 5) == whole.draft([*TEXT, *output], 0, 5)


def test_reading_token_by_token_is_the_same() -> None:
    drafter, output = Drafter(len(TEXT)), [*TEXT[10:30], 1001, *TEXT[31:50]]
    for end in range(len(output) + 1):
        drafter.read([*TEXT, *output[:end]])
    assert drafter.rate == drafter_of(TEXT, output).rate


def test_old_ngrams_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NGRAMS", 10)
    index, token_ids = NgramIndex(2), list(range(100))
    for end in range(100):
        index.add(token_ids, end)
    assert len(index._newer) + len(index._older) <= 20
    assert index.find(token_ids, 90) == 90
    assert index.find(token_ids, 70) is None


def test_of_a_long_prompt_only_the_end_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NGRAMS", 20)
    assert guess(TEXT, TEXT[10:14]) == []
    assert guess(TEXT, TEXT[70:74]) == TEXT[74:78]


def test_a_token_costs_the_same_however_long_the_sequence() -> None:
    """Ten times the tokens must not take anything like a hundred times as long."""
    chance = random.Random(1)

    def seconds(num_tokens: int) -> float:
        token_ids = [chance.randrange(4) for _ in range(num_tokens)]
        drafter, started = Drafter(0), perf_counter()
        while not drafter.read(token_ids):
            pass
        return perf_counter() - started

    assert min(seconds(20_000) for _ in range(3)) < 40 * min(seconds(2_000) for _ in range(3))


def behind(output: list[int], guessed: list[int], num_tokens: int = 4) -> list[int]:
    known = [*TEXT, *output]
    return drafter_of(TEXT, output).draft_behind(known, guessed, num_tokens).token_ids


def test_behind_tokens_of_another_guess_goes_what_followed_them_before() -> None:
    assert behind([1001], TEXT[20:23]) == TEXT[23:27]
    assert behind([1001, *TEXT[20:22]], TEXT[22:23]) == TEXT[23:27]


def test_a_source_that_agrees_with_the_other_guess_goes_on_behind_it() -> None:
    assert behind(TEXT[10:14], TEXT[14:16]) == TEXT[16:20]


def test_one_that_does_not_is_left_for_the_place_where_those_tokens_stood() -> None:
    assert behind(TEXT[10:14], TEXT[30:33]) == TEXT[33:37]
    assert behind(TEXT[10:14], [1001, 1002]) == []


def test_behind_a_guess_nothing_goes_that_was_never_said() -> None:
    assert behind(TEXT[74:78], TEXT[78:80]) == TEXT[74:78]
    assert drafter_of([5], []).draft_behind([5], [6], 4) == ([], 0.0)


def test_what_goes_behind_a_guess_is_as_sure_as_its_match_is_long() -> None:
    known = [*TEXT, *TEXT[10:20]]
    drafter = drafter_of(TEXT, TEXT[10:20])
    assert drafter.draft_behind(known, TEXT[20:23], 3).rate >= drafter.rate
    assert (
        drafter_of(TEXT, [1001]).draft_behind([*TEXT, 1001], TEXT[20:23], 3).rate
        == (PRIOR_RATES[0])
    )
