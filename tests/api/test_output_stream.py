"""OutputStream: what waits is taken at once, and is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from forge_api.output_stream import MIN_PENDING_STEPS, ChoiceKey, OutputStream
from forge_common.errors import RequestError
from forge_common.protocol.api_scheduler import SequenceOutput, Submit
from forge_common.protocol.message import PositionLogprobs, TokenLogprob
from forge_common.sampling import FinishReason, SamplingParams


def make_stream(
    num_choices: int = 1, num_logprobs: int | None = None, **limits: int
) -> OutputStream:
    sampling = SamplingParams(9, 1, num_choices=num_choices, num_logprobs=num_logprobs)
    return OutputStream([Submit("r", [1], sampling)], **limits)


def output(token: int, choice: int = 0, *, is_last: bool = False) -> SequenceOutput:
    return SequenceOutput("r", choice, [token], FinishReason.STOP if is_last else None)


def tokens(outputs: list[SequenceOutput]) -> list[int]:
    return [token for output in outputs for token in output.token_ids]


def in_loop(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 2.0))


def test_everything_that_waits_is_taken_at_once() -> None:
    async def test() -> None:
        stream = make_stream()
        for token in range(3):
            stream.put(output(token))
        assert tokens(await anext(stream)) == [0, 1, 2]

    in_loop(test())


def test_it_ends_when_every_choice_has_ended() -> None:
    async def test() -> None:
        stream = make_stream(num_choices=2)
        stream.put(output(1, 0, is_last=True))
        stream.put(output(2, 1, is_last=True))
        assert [tokens(outputs) async for outputs in stream] == [[1, 2]]
        assert stream.open_request_ids == set()

    in_loop(test())


def test_a_closed_choice_is_not_heard_any_more() -> None:
    async def test() -> None:
        stream = make_stream(num_choices=2)
        assert stream.close_choice(ChoiceKey("r", 0))
        assert not stream.close_choice(ChoiceKey("r", 0))
        stream.put(output(1, 0))
        stream.put(output(2, 1))
        assert tokens(await anext(stream)) == [2]

    in_loop(test())


def test_failure_after_the_last_output_is_none() -> None:
    async def test() -> None:
        stream = make_stream()
        stream.put(output(1, is_last=True))
        stream.fail(RequestError("too late to matter"))
        assert tokens(await anext(stream)) == [1]
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    in_loop(test())


def test_what_came_before_a_failure_is_delivered() -> None:
    async def test() -> None:
        stream = make_stream()
        stream.put(output(1))
        stream.fail(RequestError("gone"))
        assert tokens(await anext(stream)) == [1]
        with pytest.raises(RequestError, match="gone"):
            await anext(stream)

    in_loop(test())


def scored(num_logprobs: int) -> SequenceOutput:
    top = [TokenLogprob(token, -1.0) for token in range(num_logprobs)]
    return SequenceOutput("r", 0, [1], logprobs=[PositionLogprobs(TokenLogprob(1, -1.0), top)])


def num_taken(stream: OutputStream, item: SequenceOutput) -> int:
    """How many of `item` may wait."""
    overflows: list[bool] = []
    stream.on_overflow = lambda: overflows.append(True)
    count = 0
    while not overflows:
        stream.put(item)
        count += 1
    return count - 1


def test_a_reader_that_falls_too_far_behind_is_told() -> None:
    assert num_taken(make_stream(max_pending_weight=20), output(1)) == 20


def test_a_log_probability_weighs_as_much_as_a_token() -> None:
    stream = make_stream(num_logprobs=8, max_pending_weight=100)
    assert num_taken(stream, scored(8)) == 10


def test_log_probabilities_of_the_prompt_may_be_many() -> None:
    prompt = scored(20).logprobs * 100
    item = SequenceOutput("r", 0, [1], prompt_logprobs=prompt)
    assert num_taken(make_stream(max_pending_weight=20), item) == 20


def test_a_few_steps_may_wait_however_much_each_brings() -> None:
    stream = make_stream(num_choices=16, num_logprobs=20, max_pending_weight=20)
    assert num_taken(stream, scored(20)) == MIN_PENDING_STEPS * 16


def test_a_waiting_reader_wakes_up() -> None:
    async def test() -> None:
        stream = make_stream()
        reader = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        stream.put(output(5))
        assert tokens(await reader) == [5]

    in_loop(test())
