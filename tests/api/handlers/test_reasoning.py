"""Thoughts in chat completions, as clients see them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.fakes import HELLO, TOKENIZER, FakeEngine, Reply, post, speaks

CHAT = "/v1/chat/completions"
TEXT = "<think>\nLet me see.\n</think>\n\nIt is 5."
TOOL = {"type": "function", "function": {"name": "add"}}


def ask(text: str = TEXT, *, parser: str = "think", **body: Any) -> Reply:
    return post(FakeEngine(speaks(text)), CHAT, HELLO | body, reasoning_parser=parser)


def message(reply: Reply) -> Any:
    return reply.json["choices"][0]["message"]


def joined(reply: Reply, field: str) -> str:
    choices = [choice for event in reply.events[:-1] for choice in event["choices"]]
    return "".join(choice["delta"].get(field) or "" for choice in choices)


def test_thoughts_have_a_field_of_their_own() -> None:
    assert message(ask()) == {
        "content": "It is 5.",
        "role": "assistant",
        "refusal": None,
        "reasoning_content": "Let me see.",
    }


def test_streamed_thoughts_come_before_the_content() -> None:
    reply = ask(stream=True)
    assert joined(reply, "reasoning_content") == "Let me see."
    assert joined(reply, "content") == "It is 5."
    kinds = [set(event["choices"][0]["delta"]) for event in reply.events[1:-2]]
    assert kinds == sorted(kinds, key=lambda kind: "content" in kind)


def test_thoughts_that_never_end_leave_no_content() -> None:
    reply = message(ask("<think>On and on"))
    assert (reply["reasoning_content"], reply["content"]) == ("On and on", None)


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": "<think>"}]},
        {
            "messages": [{"role": "assistant", "content": "<think>So far"}],
            "continue_final_message": True,
        },
    ],
)
def test_a_reply_may_begin_inside_the_block(body: dict[str, Any]) -> None:
    reply = message(ask("I see.</think>Yes.", **body))
    assert (reply["reasoning_content"], reply["content"]) == ("I see.", "Yes.")


def test_without_the_parser_thoughts_stay_in_the_text() -> None:
    for parser in ("none", "auto"):
        assert message(ask(parser=parser))["content"] == TEXT


def test_calls_are_found_after_the_thoughts_and_not_in_them() -> None:
    call = '<tool_call>{"name": "add", "arguments": {}}</tool_call>'
    reply = ask(f"<think>{call}</think>\n{call}", tools=[TOOL])
    assert message(reply)["reasoning_content"] == call
    assert message(reply)["content"] is None
    assert len(message(reply)["tool_calls"]) == 1
    assert reply.json["choices"][0]["finish_reason"] == "tool_calls"


def test_every_tokens_logprob_is_streamed_with_the_thoughts() -> None:
    reply = ask(stream=True, logprobs=True)
    pieces = [event["choices"][0]["logprobs"] for event in reply.events[:-1]]
    tokens = [token for piece in pieces if piece for token in piece["content"]]
    assert b"".join(bytes(token["bytes"]) for token in tokens).decode() == TEXT
    assert joined(reply, "reasoning_content") == "Let me see."


def test_stop_strings_also_end_thoughts() -> None:
    reply = ask(stop="see")
    assert message(reply)["reasoning_content"] == "Let me"
    assert reply.json["choices"][0]["stop_reason"] == "see"


def test_usage_tells_how_many_tokens_were_thoughts() -> None:
    for stream in ({}, {"stream": True, "stream_options": {"include_usage": True}}):
        reply = ask(n=2, **stream)
        usage = (reply.events[-2] if stream else reply.json)["usage"]
        num_thoughts = usage["completion_tokens_details"]["reasoning_tokens"]
        assert num_thoughts == 2 * len(TOKENIZER.encode(TEXT.removesuffix("\n\nIt is 5.")))
        assert num_thoughts < usage["completion_tokens"]


def test_usage_says_nothing_of_thoughts_where_none_are_told_apart() -> None:
    assert "completion_tokens_details" not in ask(parser="none").json["usage"]
