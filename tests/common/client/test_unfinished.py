"""What is sent again to the next scheduler, and what is not tried again."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from forge_common.client import unfinished
from forge_common.client.unfinished import Unfinished
from forge_common.protocol.api_scheduler import SequenceOutput, Submit
from forge_common.sampling import FinishReason, SamplingParams


def submit(request_id: str = "r", num_choices: int = 1) -> Submit:
    return Submit(request_id, [1], SamplingParams(max_tokens=9, seed=1, num_choices=num_choices))


def output(
    token_ids: list[int], request_id: str = "r", choice: int = 0, *, is_last: bool = False
) -> SequenceOutput:
    reason = FinishReason.STOP if is_last else None
    return SequenceOutput(request_id, choice, token_ids, reason)


def book_with(*names: str) -> Unfinished:
    """Their requests are taken."""
    book = Unfinished()
    for name in names:
        book.open(submit(name))
    book.meet(0)
    book.take_due()
    for name in names:
        book.accept(name)
    return book


def names(submits: list[Submit]) -> list[str]:
    return [each.request_id for each in submits]


def lose(book: Unfinished, epoch: int) -> list[str]:
    """A scheduler, and meet the next; who is blamed for it."""
    book.lose_link()
    return list(book.meet(epoch))


def test_each_is_sent_once_over_a_link() -> None:
    book = Unfinished()
    book.open(submit())
    assert book.has_due
    assert book.take_due() == [submit()]
    assert not book.has_due
    assert book.take_due() == []


def test_what_came_goes_along_in_the_order_of_asking() -> None:
    book = book_with("a", "b")
    book.take(output([1, 2], "b"))
    book.take(output([3], "b"))
    lose(book, 1)
    a, b = book.take_due()
    assert a == replace(submit("a"), so_far=[[]])
    assert b == replace(submit("b"), so_far=[[1, 2, 3]])


def test_choices_that_have_ended_are_named_as_such() -> None:
    book = Unfinished()
    book.open(submit(num_choices=3))
    book.take_due()
    book.accept("r")
    book.take(output([1], choice=0, is_last=True))
    book.take(output([2], choice=1))
    book.end_choice("r", 2)
    book.take(output([7], choice=2))  # was under way
    book.lose_link()
    assert book.take_due()[0].so_far == [None, [2], None]


def test_what_was_never_taken_is_asked_as_it_was() -> None:
    book = Unfinished()
    book.open(submit())
    book.take_due()
    book.lose_link()
    assert book.take_due() == [submit()]


def test_what_has_come_in_full_is_not_asked_again_while_its_client_still_reads() -> None:
    book = book_with("all came", "ended here", "goes on")
    book.take(output([1], "all came", is_last=True))
    book.end_choice("ended here", 0)
    assert lose(book, 1) == []
    assert names(book.take_due()) == ["goes on"]


def test_what_was_closed_is_not_asked_again() -> None:
    book = book_with("a", "b")
    book.close("a")
    lose(book, 1)
    assert names(book.take_due()) == ["b"]


def test_unknown_requests_are_nobodys() -> None:
    book = Unfinished()
    book.take(output([1], "ghost"))
    book.accept("ghost")
    book.end_choice("ghost", 0)
    book.close("ghost")
    assert len(book) == 0


def test_request_that_ends_schedulers_is_found_among_suspects_and_blamed_alone() -> None:
    book = book_with("a", "poison", "b")
    assert lose(book, 1) == []
    assert names(book.take_due()) == ["a", "poison", "b"]
    assert lose(book, 2) == []
    assert names(book.take_due()) == ["a"]
    assert not book.has_due
    book.take(output([1], "a"))
    assert book.has_due
    assert names(book.take_due()) == ["poison"]
    assert lose(book, 3) == []  # others stood before it, so it may only have waited
    assert names(book.take_due()) == ["poison", "a"]
    book.take(output([1], "a"))
    assert lose(book, 4) == ["poison"]
    assert names(book.take_due()) == ["b", "a"]


def test_request_that_no_scheduler_could_even_accept_is_tried_first() -> None:
    book = book_with("a", "poison", "b")
    lose(book, 1)
    book.take_due()
    book.accept("a")
    book.accept("b")
    lose(book, 2)
    assert names(book.take_due()) == ["poison"]
    assert lose(book, 3) == ["poison"]


def test_suspect_that_waits_behind_others_is_not_blamed_however_often_schedulers_end() -> None:
    book = book_with("runs", "waits")
    for epoch in range(1, 30):
        assert lose(book, epoch) == []
        due = names(book.take_due())
        if due == ["waits", "runs"]:  # this time it came first
            book.take(output([1], "waits"))
        book.take(output([1], "runs"))


def test_suspect_that_ends_lets_the_next_one_try() -> None:
    book = book_with("a", "b")
    lose(book, 1)
    book.take_due()
    lose(book, 2)
    assert names(book.take_due()) == ["a"]
    book.close("a")
    assert names(book.take_due()) == ["b"]


def test_new_requests_need_not_wait_for_suspects() -> None:
    book = book_with("a", "b")
    lose(book, 1)
    book.take_due()
    lose(book, 2)
    book.take_due()
    book.open(submit("new"))
    book.take(output([1], "a"))
    assert names(book.take_due()) == ["b", "new"]


def test_token_between_two_losses_clears_of_suspicion() -> None:
    book = book_with("a")
    for epoch in range(1, 9):
        assert lose(book, epoch) == []
        assert names(book.take_due()) == ["a"]
        book.take(output([epoch], "a"))


def test_link_that_is_lost_with_no_scheduler_ended_is_nobodys_fault() -> None:
    book = book_with("a")
    for _ in range(9):
        assert lose(book, 0) == []
        assert names(book.take_due()) == ["a"]


def test_link_that_breaks_before_anything_was_sent_is_nobodys_fault() -> None:
    book = book_with("a")
    for epoch in range(1, 9):
        assert lose(book, epoch) == []
    assert names(book.take_due()) == ["a"]


def test_more_than_a_message_holds_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "MAX_TOKENS_SO_FAR", 3)
    book = book_with("long", "short")
    book.take(output([1] * 4, "long"))
    assert lose(book, 1) == ["long"]
    assert names(book.take_due()) == ["short"]
