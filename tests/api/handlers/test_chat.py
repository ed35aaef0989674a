"""POST /v1/chat/completions, as clients see it."""

from __future__ import annotations

from forge_common.protocol.message import Failure
from forge_common.sampling import FinishReason
from tests.api.fakes import HELLO, FakeEngine, chat, make_output, post, speaks


def test_whole_reply_has_openais_shape() -> None:
    reply = chat("hello world").json
    assert reply["object"] == "chat.completion"
    assert reply["model"] == "tiny"
    assert reply["id"].startswith("chatcmpl-")
    [choice] = reply["choices"]
    assert choice["message"] == {"content": "hello world", "role": "assistant", "refusal": None}
    assert choice["finish_reason"] == "stop"


def test_stream_begins_with_the_role_and_ends_with_done() -> None:
    events = chat("hello world", stream=True).events
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert events[-1] == "[DONE]"
    assert events[-2]["choices"][0] == {
        "index": 0,
        "delta": {},
        "logprobs": None,
        "finish_reason": "stop",
    }
    assert len({event["id"] for event in events[:-1]}) == 1


def test_stream_joins_to_the_whole_reply() -> None:
    text = "héllo wörld 你好 🙂"
    assert chat(text, stream=True).joined() == chat(text).json["choices"][0]["message"]["content"]


def test_length_is_the_finish_reason_when_tokens_run_out() -> None:
    engine = FakeEngine(speaks("hello world", reason=FinishReason.LENGTH))
    reply = post(engine, "/v1/chat/completions", HELLO | {"max_tokens": 2})
    assert reply.json["choices"][0]["finish_reason"] == "length"


def test_stop_string_across_tokens_ends_the_text_before_it() -> None:
    reply = chat("one STOP two", stop="STOP")
    assert reply.json["choices"][0]["message"]["content"] == "one "
    assert reply.json["choices"][0]["stop_reason"] == "STOP"


def test_stop_string_is_never_leaked_by_a_stream() -> None:
    reply = chat("one STOP two", stop=["STOP"], stream=True)
    assert reply.joined() == "one "
    assert reply.events[-2]["choices"][0]["finish_reason"] == "stop"


def test_stop_string_aborts_its_choice_in_the_scheduler() -> None:
    engine = FakeEngine(speaks("one STOP two three"))
    post(engine, "/v1/chat/completions", HELLO | {"stop": "STOP"})
    assert engine.aborted == [(engine.submitted[0].request_id, 0)]


def test_choices_are_numbered_and_complete() -> None:
    reply = chat("hello", n=3)
    assert [choice["index"] for choice in reply.json["choices"]] == [0, 1, 2]
    assert {choice["message"]["content"] for choice in reply.json["choices"]} == {"hello"}


def test_choices_of_a_stream_are_interleaved_but_whole() -> None:
    reply = chat("hello world", n=2, stream=True)
    assert reply.joined(0) == reply.joined(1) == "hello world"


def test_usage_counts_prompt_output_and_cached_tokens() -> None:
    usage = chat("hello world").json["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] > 0
    assert usage["prompt_tokens_details"] == {"cached_tokens": 4}


def test_include_usage_adds_a_last_chunk_without_choices() -> None:
    events = chat("hello", stream=True, stream_options={"include_usage": True}).events
    assert events[-2]["choices"] == []
    assert events[-2]["usage"]["completion_tokens"] > 0
    assert all(event["usage"] is None for event in events[:-2])


def test_continuous_usage_stands_in_every_chunk_with_text() -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    events = chat("hello world", stream=True, stream_options=options).events
    counts = [event["usage"]["completion_tokens"] for event in events[1:-1]]
    assert counts == sorted(counts)


def test_logprobs_have_bytes_and_alternatives() -> None:
    [choice] = chat("hé", logprobs=True, top_logprobs=2).json["choices"]
    content = choice["logprobs"]["content"]
    assert bytes(byte for token in content for byte in token["bytes"]).decode() == "hé"
    assert content[0]["top_logprobs"][1]["logprob"] == -9999.0


def test_streamed_logprobs_are_those_of_the_whole() -> None:
    whole = chat("hello", logprobs=True).json["choices"][0]["logprobs"]["content"]
    events = chat("hello", logprobs=True, stream=True).events
    pieces = [event["choices"][0]["logprobs"] for event in events[:-1]]
    assert [token for piece in pieces if piece for token in piece["content"]] == whole


def test_return_token_ids_shows_prompt_and_output_ids() -> None:
    reply = chat("hello", return_token_ids=True).json
    assert len(reply["choices"][0]["token_ids"]) == reply["usage"]["completion_tokens"]
    assert len(reply["prompt_token_ids"]) == reply["usage"]["prompt_tokens"]


def test_prompt_logprobs_are_ranked() -> None:
    scores = chat("hi", prompt_logprobs=2).json["prompt_logprobs"]
    assert scores[0] is None
    assert {entry["rank"] for entry in scores[1].values()} == {1, 2}


def test_tool_calls_are_taken_out_of_the_text() -> None:
    call = '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    [choice] = chat(call, tools=[tool]).json["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"][0]["function"] == {
        "name": "add",
        "arguments": '{"a": 1}',
    }


def test_streamed_tool_calls_name_first_then_arguments() -> None:
    call = '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
    tool = {"type": "function", "function": {"name": "add"}}
    events = chat(call, tools=[tool], stream=True).events
    deltas = [event["choices"][0]["delta"] for event in events[:-1]]
    calls = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert calls[0]["function"]["name"] == "add"
    assert "".join(call["function"]["arguments"] for call in calls) == '{"a": 1}'
    assert events[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_failed_sequence_is_a_500_before_the_200() -> None:
    def script(submit):
        yield make_output(submit, 0, [], FinishReason.ERROR, error=Failure("a bad number"))

    reply = post(FakeEngine(script), "/v1/chat/completions", HELLO)
    assert reply.status == 500
    assert reply.error == {
        "message": "a bad number",
        "type": "server_error",
        "param": None,
        "code": "internal_error",
    }


def test_a_sequence_that_fails_in_a_stream_ends_it_with_an_error_event() -> None:
    def script(submit):
        yield make_output(submit, 0, [70])
        yield make_output(submit, 0, [], FinishReason.ERROR, error=Failure("a bad number"))

    reply = post(FakeEngine(script), "/v1/chat/completions", HELLO | {"stream": True})
    assert reply.status == 200
    assert reply.events[-1]["error"]["message"] == "a bad number"
