"""What is opened is held until it is closed, and what is refused leaves no trace."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from forge_common.errors import RequestError
from forge_common.protocol.api_scheduler import Submit
from forge_scheduler.batch import Batch
from forge_scheduler.grammar_room import GrammarRoom
from forge_scheduler.intake import Intake
from forge_scheduler.policy import FirstComeFirstServed
from forge_scheduler.reception import Reception
from forge_scheduler.sequence import Request
from forge_scheduler.turns import expected_cost
from forge_scheduler.waiting_queue import QueueFull, StartTooLate, WaitingQueue
from tests.builders import make_submit

CLIENT = b"client"


class Desk:
    """A reception before a queue that nobody serves."""

    def __init__(self, max_sequences: int = 9) -> None:
        self.now_s = 100.0
        self.waiting = WaitingQueue(max_sequences, 1000)
        self.room = GrammarRoom(4000)
        intake = Intake(max_model_len=512, vocab_size=100)
        self.reception = Reception(
            intake, self.waiting, self.room, FirstComeFirstServed(), lambda: self.now_s
        )

    def open(self, submit: Submit) -> Request:
        request = self.reception.open(CLIENT, submit)
        self.waiting.add(request.sequences[0])
        return request

    def start(self, request: Request) -> None:
        """Each of its choices in a step of its own."""
        for sequence in request.sequences:
            batch = sent_at(self.now_s)
            batch.introduce(sequence, is_speculative=False)
            batch.add(sequence, 1, [])
            self.reception.observe(batch, 0)


def sent_at(now_s: float) -> Batch:
    batch = Batch(0, 100)
    batch.sent_at_s = now_s
    return batch


def test_one_client_has_no_two_requests_of_a_name_at_a_time() -> None:
    desk = Desk()
    request = desk.open(make_submit("same"))
    with pytest.raises(RequestError, match="being served already"):
        desk.open(make_submit("same"))
    desk.reception.open(b"another client", make_submit("same"))
    desk.reception.close(request)
    desk.open(make_submit("same"))


def test_what_is_refused_takes_no_turn_and_no_room() -> None:
    desk = Desk(max_sequences=1)
    allowed = tuple(range(9))
    desk.open(make_submit("first", tenant="one", allowed_token_ids=allowed))
    turn, num_bytes = desk.reception._turns.next_of("one"), desk.room.num_bytes
    with pytest.raises(QueueFull):
        desk.open(make_submit("second", tenant="one", allowed_token_ids=allowed))
    assert desk.reception._turns.next_of("one") == turn
    assert desk.room.num_bytes == num_bytes
    assert len(desk.reception.requests) == 1


def test_what_is_closed_gives_all_its_room_back() -> None:
    desk = Desk()
    request = desk.open(make_submit("r", allowed_token_ids=tuple(range(50))))
    assert desk.room.num_bytes > 0
    desk.reception.close(request)
    assert desk.room.num_bytes == 0
    assert not desk.reception.requests


def test_request_moves_all_turns_on_once_however_many_choices_it_has() -> None:
    desk = Desk()
    request = desk.open(make_submit("r", prompt=90, num_choices=4, tenant="one"))
    desk.start(request)
    expected = expected_cost(request) / desk.reception._turns._max_tenants
    assert desk.reception._turns.next_of("another") == pytest.approx(expected)


def test_wait_of_each_choice_is_noted_once() -> None:
    desk = Desk()
    request = desk.open(make_submit("r", num_choices=2))
    desk.now_s += 3.0
    desk.start(request)
    desk.now_s += 3.0
    desk.start(request)
    assert [sequence.queue_s for sequence in request.sequences] == [3.0, 3.0]


def test_request_that_goes_on_is_not_asked_when_it_could_start() -> None:
    desk = Desk()
    desk.open(make_submit("ahead", prompt=90))
    for num_prompt_tokens in (0, 1):  # of them in ten seconds: that is the pace
        desk.reception.observe(sent_at(desk.now_s), num_prompt_tokens)
        desk.now_s += 10.0
    hurried = replace(make_submit("hurried", max_tokens=9), start_within_s=0.001)
    with pytest.raises(StartTooLate):
        desk.reception.open(CLIENT, hurried)
    desk.reception.open(CLIENT, replace(hurried, so_far=[[]]))
