from __future__ import annotations

import pytest

from forge_common.errors import RequestErrorKind
from forge_scheduler.sequence import Rank
from forge_scheduler.waiting_queue import QueueFull, RankedSequences, StartTooLate, WaitingQueue
from tests.builders import make_sequence


def filled(*num_prompt_tokens: int, max_sequences: int = 4, max_tokens: int = 100) -> WaitingQueue:
    queue = WaitingQueue(max_sequences, max_tokens)
    for index, num_tokens in enumerate(num_prompt_tokens):
        queue.add(make_sequence(num_tokens, sequence_id=index))
    return queue


def test_sequences_stand_in_order_of_rank() -> None:
    sequences = RankedSequences()
    for sequence_id in (3, 1, 2):
        sequences.add(make_sequence(sequence_id=sequence_id))
    assert [sequence.sequence_id for sequence in sequences] == [1, 2, 3]


def test_sequence_leaves_from_the_middle() -> None:
    queue = filled(4, 5, 6)
    queue.remove(queue[1])
    assert [len(sequence.token_ids) for sequence in queue] == [4, 6]
    assert queue.num_tokens == 10


def test_empty_queue_has_no_first() -> None:
    assert filled().first is None


def test_queue_refuses_beyond_its_number_of_requests() -> None:
    with pytest.raises(QueueFull) as raised:
        filled(1, 1, max_sequences=2).require_room(1, tokens_per_s=1.0)
    assert raised.value.kind is RequestErrorKind.OVERLOADED
    assert raised.value.code == "queue_full"


def test_queue_refuses_beyond_its_number_of_tokens() -> None:
    queue = filled(60, max_tokens=100)
    queue.require_room(40, tokens_per_s=1.0)
    with pytest.raises(QueueFull):
        queue.require_room(41, tokens_per_s=1.0)


def test_empty_queue_takes_a_prompt_of_any_length() -> None:
    filled(max_tokens=10).require_room(1000, tokens_per_s=0.0)


@pytest.mark.parametrize(
    ("tokens_per_s", "retry_after_s"), [(10.0, 6.0), (1e9, 1.0), (1e-9, 300.0), (0.0, 1.0)]
)
def test_retry_after_is_when_those_who_wait_will_have_started(
    tokens_per_s: float, retry_after_s: float
) -> None:
    with pytest.raises(QueueFull) as raised:
        filled(60, max_sequences=1).require_room(1, tokens_per_s)
    assert raised.value.retry_after_s == retry_after_s


def test_oldest_arrival_is_none_when_nobody_waits() -> None:
    assert filled().oldest_arrival_s() is None
    assert filled(4).oldest_arrival_s() == 0.0


def test_start_in_time_is_asked_of_those_before_it_only() -> None:
    queue = filled(40, 60)
    between = Rank(0, 0.0, 0, 1)
    queue.require_start(between, within_s=4.0, tokens_per_s=10.0)
    with pytest.raises(StartTooLate) as raised:
        queue.require_start(Rank(0, 0.0, 9, 0), within_s=4.0, tokens_per_s=10.0)
    assert raised.value.code == "deadline_unreachable"
    assert raised.value.retry_after_s == 6.0


def test_unknown_pace_refuses_nobody_for_a_deadline() -> None:
    filled(60).require_start(Rank(0, 0.0, 9, 0), within_s=0.0, tokens_per_s=0.0)
