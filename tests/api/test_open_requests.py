"""Answers find whom they are for, and what one request meets is no other one's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from forge_api.open_requests import OpenRequests
from forge_api.output_stream import OutputStream
from forge_common.errors import RequestError, RequestErrorKind
from forge_common.protocol.api_scheduler import Rejected, SequenceOutput, Submit
from forge_common.sampling import FinishReason, SamplingParams


class Asked:
    """Two requests of one stream, sent."""

    def __init__(self) -> None:
        self.requests = OpenRequests()
        self.submits = [Submit(name, [1], SamplingParams(9, 1)) for name in ("a", "b")]
        self.stream = OutputStream(self.submits)
        self.answers = self.requests.open(self.submits, self.stream)
        self.requests.meet(0)
        assert self.requests.take_due() == self.submits


def in_loop(test: Callable[[Asked], None]) -> None:
    async def body() -> None:
        test(Asked())

    asyncio.run(body())


def test_each_is_answered_by_its_own_name() -> None:
    def test(asked: Asked) -> None:
        assert asked.requests.accept("b")
        assert [answer.done() for answer in asked.answers] == [False, True]

    in_loop(test)


def test_what_was_closed_is_not_accepted_and_takes_no_output() -> None:
    def test(asked: Asked) -> None:
        asked.requests.close(asked.submits[:1])
        assert not asked.requests.accept("a")
        asked.requests.deliver([SequenceOutput("a", 0, [7], FinishReason.STOP)])
        assert asked.stream.open_request_ids == {"a", "b"}
        assert len(asked.requests) == 1

    in_loop(test)


def test_refusal_fails_the_request_and_nothing_of_it_is_left_to_abort() -> None:
    def test(asked: Asked) -> None:
        asked.requests.reject(Rejected("a", "no", RequestErrorKind.INVALID, None, None, None))
        with pytest.raises(RequestError, match="no"):
            asked.answers[0].result()
        assert asked.stream.open_request_ids == {"b"}

    in_loop(test)


def test_refusal_that_passes_leaves_it_to_the_next_scheduler() -> None:
    def test(asked: Asked) -> None:
        kind, code = RequestErrorKind.UNAVAILABLE, "shutting_down"
        asked.requests.reject(Rejected("a", "later", kind, None, code, None))
        assert not asked.answers[0].done()
        asked.requests.lose_link()
        asked.requests.meet(1)
        assert asked.requests.take_due() == asked.submits

    in_loop(test)


def test_what_has_come_in_full_does_not_count_as_unfinished() -> None:
    def test(asked: Asked) -> None:
        asked.requests.accept("a")
        asked.requests.deliver([SequenceOutput("a", 0, [7], FinishReason.STOP)])
        assert asked.requests.num_unfinished == 1
        assert len(asked.requests) == 2

    in_loop(test)
