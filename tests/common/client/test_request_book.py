"""What a client says and what the answers mean, without any socket."""

from __future__ import annotations

from typing import Any

import pytest

from forge_common.checkpoint.generation_config import GenerationDefaults
from forge_common.client import Output
from forge_common.client.client_model import ClientModel
from forge_common.client.request_book import Inbox, RequestBook
from forge_common.errors import LinkError, RequestError, RequestErrorKind
from forge_common.protocol.api_scheduler import (
    Abort,
    Accepted,
    Malformed,
    Outputs,
    Rejected,
    SchedulerReady,
    SequenceOutput,
)
from forge_common.protocol.message import PROTOCOL_VERSION, Failure
from forge_common.sampling import FinishReason, SamplingParams
from forge_common.transport import Undecodable
from tests.small_tokenizers import byte_level_encoder, make_tokenizer

SAMPLING = SamplingParams(max_tokens=8, seed=1)


def ready(epoch: int = 1, version: int = PROTOCOL_VERSION) -> SchedulerReady:
    return SchedulerReady(version, epoch, 512, 400, 16, 100)


def open_in(book: RequestBook, prompt: Any = (1, 2), num_choices: int = 1) -> Inbox:
    sampling = SamplingParams(max_tokens=8, seed=1, num_choices=num_choices)
    return book.open(prompt, sampling, 0, "r")


def output(token_ids: list[int], reason: FinishReason | None = None, **more: Any) -> Outputs:
    more = {"choice_index": 0, **more}
    return Outputs([SequenceOutput("r", token_ids=token_ids, finish_reason=reason, **more)])


def text_model() -> ClientModel:
    return ClientModel(make_tokenizer(byte_level_encoder()), GenerationDefaults(eos_token_ids=(7,)))


def test_request_is_submitted_as_asked() -> None:
    submit = RequestBook(None).open((1, 2), SAMPLING, 5, "r").submit
    assert (submit.request_id, submit.prompt_token_ids) == ("r", [1, 2])
    assert (submit.sampling, submit.priority) == (SAMPLING, 5)


def test_ids_are_drawn_where_none_is_stated() -> None:
    book = RequestBook(None)
    ids = {book.open((1,), SAMPLING, 0, None).submit.request_id for _ in range(10)}
    assert len(ids) == 10


def test_outputs_are_read_in_order_until_the_last() -> None:
    book = RequestBook(None)
    inbox = open_in(book)
    book.take(Accepted("r"))
    book.take(output([3]))
    book.take(output([4, 5], FinishReason.LENGTH))
    assert [out.token_ids for out in inbox.take()] == [[3], [4, 5]]
    assert inbox.is_finished


def test_request_runs_until_each_choice_has_ended() -> None:
    book = RequestBook(None)
    inbox = open_in(book, num_choices=2)
    book.take(output([3], FinishReason.STOP))
    list(inbox.take())
    assert not inbox.is_finished
    book.take(output([3], FinishReason.STOP, choice_index=1))
    assert [out.choice_index for out in inbox.take()] == [1]
    assert inbox.is_finished


def test_next_scheduler_is_told_what_came_and_goes_on_there() -> None:
    book = RequestBook(None)
    book.take(ready())
    inbox = open_in(book, num_choices=2)
    assert book.take_due() == [inbox.submit]
    book.take(Accepted("r"))
    book.take(output([3, 4]))
    book.take(output([5], FinishReason.STOP, choice_index=1))
    book.lose_link()
    assert book.take_due() == []  # there is nobody
    book.take(ready(epoch=2))
    assert [submit.so_far for submit in book.take_due()] == [[[3, 4], None]]
    book.take(output([6], FinishReason.LENGTH))
    assert [out.token_ids for out in inbox.take()] == [[3, 4], [5], [6]]
    assert inbox.is_finished


def test_connection_that_is_lost_before_a_scheduler_was_met_ends_everything() -> None:
    book = RequestBook(None)
    book.lose_link()
    with pytest.raises(LinkError, match="is lost"):
        book.check_link()


def test_another_epoch_over_the_same_link_means_that_it_was_lost_in_between() -> None:
    book = RequestBook(None)
    book.take(ready())
    inbox = open_in(book)
    book.take_due()
    book.take(ready(epoch=2))
    assert book.is_link_stale
    book.lose_link()
    assert not book.is_link_stale
    book.take(ready(epoch=2))
    assert book.take_due() == [inbox.submit]


def test_abort_while_nobody_is_there_needs_nobody() -> None:
    book = RequestBook(None)
    book.take(ready())
    inbox = open_in(book, num_choices=2)
    book.take_due()
    book.take(Accepted("r"))
    assert book.abort("r", 1) == Abort("r", 1)
    book.lose_link()
    assert book.abort("r", 1) is None
    assert [(out.choice_index, out.finish_reason) for out in inbox.take()] == [
        (1, FinishReason.ABORT)
    ]
    book.take(ready(epoch=2))
    assert [submit.so_far for submit in book.take_due()] == [[[], None]]
    book.lose_link()
    assert book.abort("r", None) is None
    assert not inbox.is_running
    book.take(ready(epoch=3))
    assert book.take_due() == []


def test_request_that_ends_schedulers_is_not_asked_for_ever() -> None:
    book = RequestBook(None)
    book.take(ready())
    inbox = open_in(book)
    for epoch in range(2, 5):
        book.take_due()
        book.lose_link()
        book.take(ready(epoch))
    assert book.take_due() == []
    with pytest.raises(RequestError, match="schedulers ended again and again"):
        list(inbox.take())


def test_refusal_carries_what_the_scheduler_said() -> None:
    book = RequestBook(None)
    inbox = open_in(book)
    book.take(Rejected("r", "full", RequestErrorKind.OVERLOADED, param="p", code="c"))
    assert inbox.is_answered
    with pytest.raises(RequestError, match="full") as caught:
        list(inbox.take())
    assert (caught.value.kind, caught.value.param) == (RequestErrorKind.OVERLOADED, "p")


def test_failed_sequence_fails_the_request_after_its_outputs() -> None:
    book = RequestBook(None)
    inbox = open_in(book)
    book.take(output([3]))
    book.take(output([], FinishReason.ERROR, error=Failure("lost")))
    taken: list[Output] = []
    with pytest.raises(RequestError, match="lost"):
        taken.extend(iter(inbox.take()))
    assert not inbox.is_running


def test_failure_says_whose_fault_it_is() -> None:
    book = RequestBook(None)
    inbox = open_in(book)
    failure = Failure("too much", RequestErrorKind.INVALID, "grammar", "grammar_too_costly")
    book.take(output([], FinishReason.ERROR, error=failure))
    with pytest.raises(RequestError, match="too much") as caught:
        list(inbox.take())
    error = caught.value
    assert (error.kind, error.param, error.code) == (failure.kind, failure.param, failure.code)


def test_closing_aborts_only_what_still_runs() -> None:
    book = RequestBook(None)
    assert book.close(open_in(book)) == Abort("r")
    inbox = open_in(book)
    book.take(output([3], FinishReason.STOP))
    assert book.close(inbox) is None


def test_answers_to_forgotten_requests_are_dropped() -> None:
    book = RequestBook(None)
    book.take(output([3]))
    book.take(Accepted("r"))
    book.take(Rejected("r", "full"))
    assert not open_in(book).has_news


@pytest.mark.parametrize(
    "message",
    [ready(version=99), Malformed("what?"), Undecodable("what?")],
)
def test_scheduler_that_cannot_be_talked_to_ends_everything(message: Any) -> None:
    book = RequestBook(None)
    book.take(ready())
    inbox = open_in(book)
    book.take(message)
    with pytest.raises(LinkError):
        list(inbox.take())
    with pytest.raises(LinkError):
        open_in(book)


@pytest.mark.parametrize(
    ("prompt", "sampling", "sentence"),
    [
        ((), SAMPLING, "length >= 1"),
        ((-1,), SAMPLING, "int` >= 0"),
        ((1,), SamplingParams(max_tokens=0, seed=1), "int` >= 1"),
        ((2**70,), SAMPLING, "not valid"),
        ("text", SAMPLING, "model_path"),
    ],
)
def test_what_cannot_be_read_there_is_told_here(
    prompt: Any, sampling: SamplingParams, sentence: str
) -> None:
    with pytest.raises(RequestError, match=sentence):
        RequestBook(None).open(prompt, sampling, 0, None)


def test_two_requests_of_one_id_are_refused() -> None:
    book = RequestBook(None)
    open_in(book)
    with pytest.raises(RequestError, match="id is running"):
        open_in(book)


def test_text_goes_in_and_comes_out_whole() -> None:
    model = text_model()
    book = RequestBook(model)
    inbox = open_in(book, "hello")
    assert inbox.submit.prompt_token_ids == model.tokenizer.encode("hello")
    for token_id in model.tokenizer.encode("wörld 🙂"):
        book.take(output([token_id]))
    book.take(output([], FinishReason.STOP))
    texts = [out.text or "" for out in inbox.take()]
    assert "".join(texts) == "wörld 🙂"
    assert not any("\ufffd" in text for text in texts)


def test_character_cut_off_by_the_end_is_shown_as_such() -> None:
    model = text_model()
    book = RequestBook(model)
    inbox = open_in(book, "hello")
    first_byte = model.tokenizer.encode("🙂")[0]
    book.take(output([first_byte], FinishReason.LENGTH))
    assert [out.text for out in inbox.take()] == ["\ufffd"]


def test_unstated_sampling_is_the_models() -> None:
    book = RequestBook(text_model())
    sampling = book.open("hello", None, 0, None).submit.sampling
    assert sampling.eos_token_ids == (7,)
    assert book.open("hello", None, 0, None).submit.sampling.seed != sampling.seed
