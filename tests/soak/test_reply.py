"""The judge of a soak: streamed or whole is the same reply, and no difference passes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.soak.reply import is_begin, is_same, reply_of

USAGE = {"completion_tokens": 3}
STREAM: list[dict[str, Any]] = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"choices": [{"index": 0, "delta": {"content": "a b"}, "logprobs": None}]},
    {"choices": [{"index": 0, "delta": {"content": " c"}, "finish_reason": "stop"}]},
    {"choices": [], "usage": USAGE},
]


def whole(text: str, finish_reason: str = "stop", usage: dict[str, int] = USAGE) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return {"choices": [choice], "usage": usage}


def scored(*logprobs: float) -> dict[str, Any]:
    entries = [{"token": "t", "logprob": logprob} for logprob in logprobs]
    return {"choices": [{"index": 0, "delta": {}, "logprobs": {"content": entries}}]}


def test_stream_is_the_same_as_the_whole_reply() -> None:
    assert is_same(reply_of(STREAM), reply_of([whole("a b c")]))


@pytest.mark.parametrize(
    "other",
    [whole("a b"), whole("a b c c"), whole("a b c", "length"), whole("a b c", "stop", {})],
    ids=["a token is lost", "a token came twice", "another end", "another count"],
)
def test_difference_is_seen(other: dict[str, Any]) -> None:
    assert not is_same(reply_of([other]), reply_of(STREAM))


def test_choice_that_is_missing_is_seen() -> None:
    assert not is_same(reply_of([]), reply_of([scored(-1.0)]))


def test_logprobs_may_differ_by_rounding_alone() -> None:
    assert is_same(reply_of([scored(-1.0)]), reply_of([scored(-1.0005)]))
    assert not is_same(reply_of([scored(-1.0)]), reply_of([scored(-1.1)]))
    assert not is_same(reply_of([scored(-1.0)]), reply_of([scored(-1.0), scored(-1.0)]))


def test_calls_are_joined_from_their_parts() -> None:
    parts = [{"name": "f", "arguments": '{"a"'}, {"arguments": ": 1}"}]
    calls = ({"index": 0, "function": part} for part in parts)
    events = [{"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]} for call in calls]
    assert reply_of(events).choices[0].calls == (("f", '{"a": 1}'),)


def test_one_who_leaves_has_read_the_begin() -> None:
    assert is_begin(STREAM[:2], reply_of([whole("a b c")]))
    assert not is_begin(STREAM[:2], reply_of([whole("a c")]))
