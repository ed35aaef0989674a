"""What the official client makes of tool calls and thoughts, from an engine that says them."""

from __future__ import annotations

import json
from typing import Any

import openai
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.api.fakes import Api, FakeEngine, serve, speaks

FIELDS: dict[str, Any] = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "What is 17 + 25, and what time is it?"}],
    "tools": [
        {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}},
        {"type": "function", "function": {"name": "now"}},
    ],
}
TEXT = (
    "<think>\nI add.\n</think>\nWait. "
    '<tool_call>{"name": "add", "arguments": {"a": 17, "b": "{\\"25\\"} é"}}</tool_call>\n'
    '<tool_call>{"name": "now", "arguments": {}}</tool_call>'
)


def test_a_streamed_tool_call_accumulates_to_the_whole_reply() -> None:
    async def test(api: Api) -> None:
        async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="none") as client:
            raw = await client.chat.completions.with_raw_response.create(**FIELDS)
            stream = await client.chat.completions.create(stream=True, **FIELDS)
            chunks = [chunk async for chunk in stream]
        compare(ChatCompletion.model_validate_json(raw.text), chunks)

    serve(FakeEngine(speaks(TEXT, group=2)), test, reasoning_parser="think")


def compare(whole: ChatCompletion, chunks: list[ChatCompletionChunk]) -> None:
    state = ChatCompletionStreamState()
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.model_dump())
        state.handle_chunk(chunk)
    streamed = state.get_final_completion().choices[0]
    assert whole.choices[0].finish_reason == streamed.finish_reason == "tool_calls"
    for message in (whole.choices[0].message, streamed.message):
        assert message.content == "Wait. "
        assert [call.function.name for call in message.tool_calls] == ["add", "now"]
        arguments = [json.loads(call.function.arguments) for call in message.tool_calls]
        assert arguments == [{"a": 17, "b": '{"25"} é'}, {}]
        assert len({call.id for call in message.tool_calls}) == 2
    assert whole.choices[0].message.reasoning_content == "I add."


def test_the_name_is_whole_in_the_first_delta_and_the_arguments_come_in_pieces() -> None:
    async def test(api: Api) -> list[ChatCompletionChunk]:
        async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="none") as client:
            stream = await client.chat.completions.create(stream=True, **FIELDS)
            return [chunk async for chunk in stream]

    chunks = serve(FakeEngine(speaks(TEXT)), test, reasoning_parser="think")
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    first, *rest = [call for call in calls if call.index == 0]
    assert (first.function.name, first.function.arguments, first.type) == ("add", "", "function")
    assert len(rest) > 5
    assert all(call.function.name is None and call.id is None for call in rest)
