"""Tool calls of chat completions, as clients see them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from forge_common.sampling import FinishReason
from tests.api.fakes import HELLO, FakeEngine, Reply, post, speaks
from tests.api.grammars.programs import allows

CHAT = "/v1/chat/completions"
TOOLS = [
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "now"}},
]
CALL = '<tool_call>{"name": "add", "arguments": {"a": 1, "b": "two"}}</tool_call>'
NO_OBJECT = {"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}
BAD_SCHEMA = {
    "type": "function",
    "function": {"name": "bad", "parameters": {"type": "object", "required": "all"}},
}
WRITTEN = {
    "hermes": CALL,
    "llama3_json": '{"name": "add", "parameters": {"a": 1, "b": "two"}}',
    "pythonic": '[add(a=1, b="two")]',
    "mistral": '[TOOL_CALLS]add[ARGS]{"a": 1, "b": "two"}',
    "phi4": 'functools[{"name": "add", "arguments": {"a": 1, "b": "two"}}]',
    "gemma3": '```tool_code\nadd(a=1, b="two")\n```',
}


def ask(text: str, *, group: int = 1, parser: str = "auto", **body: Any) -> Reply:
    engine = FakeEngine(speaks(text, group=group, reason=body.pop("reason", FinishReason.STOP)))
    return post(engine, CHAT, HELLO | {"tools": TOOLS} | body, tool_call_parser=parser)


def message(reply: Reply) -> Any:
    return reply.json["choices"][0]["message"]


def deltas(reply: Reply) -> list[Any]:
    return [
        call
        for event in reply.events[:-1]
        for choice in event["choices"]
        for call in choice["delta"].get("tool_calls", [])
    ]


@pytest.mark.parametrize("parser", WRITTEN)
def test_every_format_is_read(parser: str) -> None:
    reply = ask(f"Hm.\n{WRITTEN[parser]}", parser=parser)
    [call] = message(reply)["tool_calls"]
    assert call["type"] == "function"
    assert call["function"]["name"] == "add"
    assert json.loads(call["function"]["arguments"]) == {"a": 1, "b": "two"}
    assert reply.json["choices"][0]["finish_reason"] == "tool_calls"
    assert message(reply)["content"] == "Hm.\n"


@pytest.mark.parametrize("parser", WRITTEN)
@pytest.mark.parametrize("group", [1, 3, 99])
def test_a_stream_joins_to_the_whole_reply_however_tokens_come(parser: str, group: int) -> None:
    [whole] = message(ask(WRITTEN[parser], parser=parser))["tool_calls"]
    first, *rest = deltas(ask(WRITTEN[parser], parser=parser, group=group, stream=True))
    assert first["function"] == {"name": "add", "arguments": ""}
    assert first["id"].startswith("call_")
    assert all(set(delta) == {"index", "function"} for delta in rest)
    assert (
        "".join(delta["function"]["arguments"] for delta in rest)
        == (whole["function"]["arguments"])
    )


def test_arguments_are_streamed_as_they_are_written() -> None:
    pieces = [delta["function"]["arguments"] for delta in deltas(ask(CALL, stream=True))[1:]]
    assert len(pieces) > 3
    assert all(pieces)


def test_parallel_tool_calls_false_keeps_the_first_call_only() -> None:
    for stream in (False, True):
        reply = ask(CALL + CALL, parallel_tool_calls=False, stream=stream)
        calls = deltas(reply) if stream else message(reply)["tool_calls"]
        assert {call.get("index", 0) for call in calls} == {0}
    assert len(message(ask(CALL + CALL))["tool_calls"]) == 2


@pytest.mark.parametrize("body", [{"tool_choice": "none"}, {"tools": []}])
def test_calls_that_nobody_asked_for_stay_in_the_text(body: dict[str, Any]) -> None:
    reply = ask(CALL, **body)
    assert message(reply)["content"] == CALL
    assert reply.json["choices"][0]["finish_reason"] == "stop"


def test_without_a_parser_calls_stay_in_the_text() -> None:
    assert message(ask(CALL, parser="none"))["content"] == CALL


def test_a_call_cut_short_by_length_says_length() -> None:
    reply = ask(CALL[:-25], reason=FinishReason.LENGTH)
    [call] = message(reply)["tool_calls"]
    assert CALL.find(call["function"]["arguments"]) > 0
    assert reply.json["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("parser", WRITTEN)
def test_a_call_cut_short_by_a_stop_string_says_stop(parser: str) -> None:
    reply = ask(WRITTEN[parser], parser=parser, stop="two")
    assert reply.json["choices"][0]["finish_reason"] == "stop"
    for call in message(reply).get("tool_calls", []):
        with pytest.raises(json.JSONDecodeError):
            json.loads(call["function"]["arguments"])


def test_a_call_behind_one_that_may_not_be_cuts_nothing_short() -> None:
    reply = ask(f"{CALL} {CALL}"[:-25], parallel_tool_calls=False)
    assert len(message(reply)["tool_calls"]) == 1
    assert reply.json["choices"][0]["finish_reason"] == "tool_calls"


def test_stop_strings_end_the_text_that_calls_are_found_in() -> None:
    reply = ask(f"{CALL} END {CALL}", stop="END")
    assert len(message(reply)["tool_calls"]) == 1
    assert reply.json["choices"][0]["stop_reason"] == "END"


def test_every_tokens_logprob_is_streamed_though_its_text_is_a_call() -> None:
    reply = ask(CALL, stream=True, logprobs=True)
    pieces = [
        choice["logprobs"]["content"]
        for event in reply.events[:-1]
        for choice in event["choices"]
        if choice["logprobs"]
    ]
    text = b"".join(bytes(token["bytes"]) for piece in pieces for token in piece)
    assert text.decode() == CALL


NAMED = {"type": "function", "function": {"name": "now"}}
STRICT = [
    {
        "type": "function",
        "function": {
            "name": "add",
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"a": {"type": "integer"}},
                "required": ["a"],
                "additionalProperties": False,
            },
        },
    }
]


DASHED: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "dash",
            "strict": True,
            "parameters": {"type": "object", "properties": {"a-b": {"type": "boolean"}}},
        },
    }
]


def grammar_of(*, parser: str = "auto", **body: Any) -> bytes:
    """What the worker is given."""
    engine = FakeEngine(speaks(CALL))
    reply = post(engine, CHAT, HELLO | {"tools": TOOLS} | body, tool_call_parser=parser)
    assert reply.status == 200, reply.body
    grammar = engine.submitted[0].sampling.grammar
    assert grammar is not None
    return grammar


def forced(text: str, **body: Any) -> bool:
    """Whether the grammar that the worker is given allows this text."""
    return allows(grammar_of(**body), text)


def call(name: str, arguments: str) -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


def test_required_call_is_of_any_tool_and_there_may_be_several() -> None:
    several = call("add", '{"x":1}') + "\n" + call("now", "{}")
    assert forced(several, tool_choice="required")
    assert not forced("Hello", tool_choice="required")
    assert not forced(several, tool_choice="required", parallel_tool_calls=False)
    assert forced(call("now", "{}"), tool_choice="required", parallel_tool_calls=False)


def test_named_call_is_one_and_of_that_tool() -> None:
    assert forced(call("now", "{}"), tool_choice=NAMED)
    assert not forced(call("add", "{}"), tool_choice=NAMED)
    assert not forced(call("now", "{}") + "\n" + call("now", "{}"), tool_choice=NAMED)


def test_arguments_of_a_forced_call_are_those_of_the_schema() -> None:
    assert forced(call("add", '{"a":1}'), tools=STRICT, tool_choice="required")
    assert not forced(call("add", '{"a":"1"}'), tools=STRICT, tool_choice="required")


def test_arguments_of_a_forced_call_are_an_object_where_the_schema_does_not_say_so() -> None:
    for parameters in ({}, {"minProperties": 1}, {"type": ["object", "string"]}):
        tools = [{"type": "function", "function": {"name": "add", "parameters": parameters}}]
        assert forced(call("add", '{"a":1}'), tools=tools, tool_choice="required")
        assert not forced(call("add", '"a"'), tools=tools, tool_choice="required")


def test_forced_call_is_read_as_a_call() -> None:
    reply = ask(call("now", "{}"), tool_choice=NAMED)
    assert [each["function"]["name"] for each in message(reply)["tool_calls"]] == ["now"]
    assert reply.json["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tool_choice": "required", "tools": []}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "sub"}}}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"tool_choice": "required", "parser": "none"}, "tool_choice"),
        ({"tools": STRICT, "parser": "none"}, "tools[0].function.strict"),
        ({"tools": DASHED, "parser": "pythonic"}, "tools[0].function.parameters"),
        ({"tool_choice": "required", "tools": [BAD_SCHEMA]}, "tools[0].function.parameters"),
        ({"tool_choice": "required", "tools": [NO_OBJECT]}, "tools[0].function.parameters"),
    ],
)
def test_what_cannot_be_forced_is_said(body: dict[str, Any], param: str) -> None:
    reply = ask(CALL, **body)
    assert (reply.status, reply.error["param"]) in [(400, param), (400, f"{param}.function")]


def test_calls_in_python_are_forced_like_others() -> None:
    several = "[add(a=1), add( a = 2 )]"
    grammar = grammar_of(parser="pythonic", tools=STRICT, tool_choice="required")
    for text in ("[add(a=1)]", several):
        assert allows(grammar, text)
    for text in ("[add(a=True)]", "[add()]", "[sub(a=1)]", "add(a=1)", "[add(a=1, b=2)]"):
        assert not allows(grammar, text)
    single = {"parallel_tool_calls": False, "tool_choice": "required"}
    assert not forced(several, parser="pythonic", tools=STRICT, **single)
    named_one = grammar_of(parser="pythonic", tool_choice=NAMED)
    assert allows(named_one, "[now()]")
    assert not allows(named_one, "[now(), now()]")


def test_chosen_calls_in_python_are_by_their_schema_too() -> None:
    code = "Hm.\n```tool_code\nadd(a={})\n```"
    for parser, text in (("pythonic", "Hm.\n[add(a={})] So."), ("gemma3", code)):
        grammar = grammar_of(parser=parser, tools=STRICT)
        assert allows(grammar, "[1]")
        assert allows(grammar, text.format(1))
        assert not allows(grammar, text.format('"1"'))
        assert not allows(grammar, text.format("1, b=2"))


def test_argument_that_python_cannot_name_is_told_or_written_as_json() -> None:
    reply = ask("Hi", parser="pythonic", tools=DASHED)
    assert "'a-b' cannot be the name of an argument" in reply.error["message"]
    lenient = [{"type": "function", "function": DASHED[0]["function"] | {"strict": False}}]
    reply = ask("Hi", parser="pythonic", tools=lenient)
    assert reply.json["forge"]["ignored"] == ["tools[0].function.parameters"]
    assert forced("[dash(x=[None])]", parser="pythonic", tools=lenient)
    for tools in (lenient, DASHED):
        grammar = grammar_of(parser="gemma3", tools=tools)
        assert allows(grammar, '{"name": "dash", "parameters": {"a-b": true}}')
        assert not allows(grammar, '{"name": "dash", "parameters": {"a-b": 1}}')
        assert not allows(grammar, "[dash(")


LENIENT = [{"type": "function", "function": {"name": "now"}}, BAD_SCHEMA, NO_OBJECT]


def test_chosen_call_is_of_a_tool_that_is_offered_and_by_its_schema() -> None:
    tools = [{"type": "function", "function": dict(STRICT[0]["function"], strict=False)}]
    for offered in (STRICT, tools):
        assert forced("Hello", tools=offered)
        assert forced("Hello " + call("add", '{"a": 1}') + " Bye", tools=offered)
        assert not forced(call("add", '{"a": "1"}'), tools=offered)
        assert not forced(call("sub", "{}"), tools=offered)


def test_schema_that_cannot_be_kept_to_counts_only_where_it_is_strict() -> None:
    assert forced(call("bad", '{"x": 1}'), tools=[named(BAD_SCHEMA, "bad")])
    reply = ask("Hi", tools=LENIENT)
    assert reply.json["forge"]["ignored"] == [
        "tools[1].function.parameters",
        "tools[2].function.parameters",
    ]
    strict = {"type": "function", "function": {**BAD_SCHEMA["function"], "strict": True}}
    refused = ask("Hi", tools=[LENIENT[0], strict])
    assert (refused.status, refused.error["code"]) == (400, "unsupported_schema")
    assert refused.error["param"] == "tools[1].function.parameters"
    assert "(at /required)" in refused.error["message"]
    only = {"type": "function", "function": {"name": "bad"}}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [only]}}
    refused = ask("Hi", tools=[LENIENT[0], strict], tool_choice=allowed)
    assert refused.error["param"] == "tools[1].function.parameters"


def named(tool: dict[str, Any], name: str) -> dict[str, Any]:
    return {"type": "function", "function": {**tool["function"], "name": name}}


def test_calls_are_spaced_as_the_model_likes_unless_the_client_says_otherwise() -> None:
    spaced = call("add", '{ "a" :\n1 }')
    for choice in ("auto", "required"):
        assert forced(spaced, tools=STRICT, tool_choice=choice)
        compact = {"tools": STRICT, "structured_outputs": {"whitespace": "compact"}}
        assert not forced(spaced, **compact, tool_choice=choice)
        squeezed = '<tool_call>{"name":"add","arguments":{"a":1}}</tool_call>'
        assert forced(squeezed, **compact, tool_choice=choice)


def test_allowed_tools_are_those_that_may_be_called() -> None:
    one = {"type": "function", "function": {"name": "now"}}
    for mode in ("auto", "required"):
        choice = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [one]}}
        assert forced(call("now", "{}"), tool_choice=choice)
        assert not forced(call("add", "{}"), tool_choice=choice)
        assert forced("Hello", tool_choice=choice) is (mode == "auto")


def test_calls_in_thoughts_are_free() -> None:
    engine = FakeEngine(speaks("Hi"))
    post(engine, CHAT, HELLO | {"tools": TOOLS}, reasoning_parser="think")
    grammar = engine.submitted[0].sampling.grammar
    assert allows(grammar, "<think><tool_call>no</think>" + call("now", "{}"))
    assert not allows(grammar, "No <think><tool_call>no</think>")


def test_calls_that_no_grammar_knows_are_left_alone() -> None:
    engine = FakeEngine(speaks("Hi"))
    post(engine, CHAT, HELLO | {"tools": TOOLS}, tool_call_parser="none")
    assert engine.submitted[0].sampling.grammar is None
