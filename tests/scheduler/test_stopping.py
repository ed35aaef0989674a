from __future__ import annotations

from forge_common.sampling import FinishReason
from forge_scheduler.stopping import Stop, accept_tokens
from tests.builders import make_sequence

EOS = 2


def test_ordinary_token_goes_on() -> None:
    sequence = make_sequence(eos_token_ids=(EOS,))
    assert accept_tokens(sequence, [7]) is None
    assert sequence.token_ids[-1] == 7


def test_end_of_sequence_stops_and_is_named() -> None:
    sequence = make_sequence(eos_token_ids=(EOS,))
    assert accept_tokens(sequence, [EOS]) == Stop(FinishReason.STOP, EOS)


def test_stop_token_stops_and_is_named() -> None:
    sequence = make_sequence(eos_token_ids=(EOS,), stop_token_ids=(9,))
    assert accept_tokens(sequence, [9]) == Stop(FinishReason.STOP, 9)


def test_no_eos_tokens_means_never_by_eos() -> None:
    assert accept_tokens(make_sequence(), [EOS]) is None


def test_stop_token_counts_once_the_minimum_stands_before_it() -> None:
    sequence = make_sequence(eos_token_ids=(EOS,), min_tokens=2)
    assert accept_tokens(sequence, [EOS]) is None
    assert accept_tokens(sequence, [EOS]) is None
    assert accept_tokens(sequence, [EOS]) == Stop(FinishReason.STOP, EOS)


def test_length_is_prompt_and_output() -> None:
    sequence = make_sequence(4, max_num_tokens=6)
    assert accept_tokens(sequence, [7]) is None
    assert accept_tokens(sequence, [7]) == Stop(FinishReason.LENGTH, None)


def test_stop_at_the_last_place_is_a_stop() -> None:
    sequence = make_sequence(4, max_num_tokens=5, eos_token_ids=(EOS,))
    assert accept_tokens(sequence, [EOS]) == Stop(FinishReason.STOP, EOS)


def test_tokens_after_the_stop_never_were() -> None:
    sequence = make_sequence(4, eos_token_ids=(EOS,))
    accept_tokens(sequence, [7, EOS, 8])
    assert sequence.token_ids[4:] == [7, EOS]
