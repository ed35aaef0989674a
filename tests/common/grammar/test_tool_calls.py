"""Calls are of tools that there are, with arguments of the very tool that is called."""

from __future__ import annotations

import json

import msgspec
import pytest

from forge_common.grammar.call_syntax import (
    CallSyntax,
    FreeReply,
    NamedRun,
    Run,
    ThoughtTags,
    Tool,
)
from forge_common.grammar.engine import Engine
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import Program, special_token
from forge_common.grammar.schema.compiler import SchemaOptions
from forge_common.grammar.spec import (
    GrammarSpec,
    ReplyWithCalls,
    ToolCalls,
    compile_loosely,
    compile_spec,
    spec_key,
)
from forge_common.grammar.tool_calls import CallOptions, compile_calls, compile_reply
from forge_common.grammar.vocabulary import Vocabulary

HERMES = CallSyntax(runs=(Run(mark="<tool_call>", closing="</tool_call>"),))
LIST = CallSyntax(runs=(Run(mark="functools[", between=",", last="]"),))
BARE = CallSyntax(runs=(Run(between=";", goes_on=True),), extra_keys=("type",))
NAMED = CallSyntax(runs=(), named_runs=(NamedRun("[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"),))
TOOLS = (
    Tool("add", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}),
    Tool(
        'say "hi"',
        {
            "type": "object",
            "properties": {"text": {"$ref": "#/$defs/t"}},
            "additionalProperties": False,
            "$defs": {"t": {"type": "string"}},
        },
    ),
)
BAD = Tool("bad", {"type": "object", "properties": {"x": {"type": "nonsense"}}})
COMPACT = CallOptions()
SINGLE = CallOptions(is_parallel=False)
SPACED = CallOptions(SchemaOptions("any", "free"))
CONTENT = FreeReply()
TAGS = ThoughtTags("<think>", "</think>")


def accepts(program: Program, text: str | bytes) -> bool:
    engine = Engine(Vocabulary([bytes([byte]) for byte in range(256)]))
    raw = text if isinstance(text, bytes) else text.encode()
    state = engine.start(program).advance_bytes(raw)
    return state is not None and state.is_accepting


def begins(program: Program, text: str) -> bool:
    engine = Engine(Vocabulary([bytes([byte]) for byte in range(256)]))
    return engine.start(program).advance_bytes(text.encode()) is not None


def call(name: str, **arguments: object) -> str:
    written = {"name": name, "arguments": arguments}
    return f"<tool_call>\n{json.dumps(written, separators=(',', ':'))}\n</tool_call>"


def forced(syntax: CallSyntax, options: CallOptions = COMPACT) -> Program:
    return compile_calls(TOOLS, syntax, options).program


def free(syntax: CallSyntax, reply: FreeReply = CONTENT, options: CallOptions = SPACED) -> Program:
    return compile_reply(TOOLS, syntax, options, reply).program


def test_each_tool_with_its_own_arguments() -> None:
    hermes = forced(HERMES)
    assert accepts(hermes, call("add", a=1))
    assert accepts(hermes, call('say "hi"', text="é"))
    assert accepts(hermes, call('say "hi"'))


def test_neither_other_tools_nor_arguments_of_another() -> None:
    hermes = forced(HERMES)
    for text in (call("sub", a=1), call("add", text="a"), call("add"), call('say "hi"', a=1)):
        assert not accepts(hermes, text)
    assert not accepts(hermes, "")
    assert not accepts(hermes, call("add", a=1) + " ")


def test_calls_may_follow_each_other_unless_there_is_to_be_one() -> None:
    two = call("add", a=1) + "\n" + call('say "hi"', text="x")
    assert accepts(forced(HERMES), two)
    assert not accepts(forced(HERMES, SINGLE), two)
    one = '{"name":"add","arguments":{"a":1}}'
    assert accepts(forced(LIST), f"functools[{one}, {one}]")
    assert accepts(forced(LIST, SINGLE), f"functools[{one}]")
    assert not accepts(forced(LIST, SINGLE), f"functools[{one}, {one}]")


def test_spaces_and_the_order_of_members_are_the_models_own() -> None:
    text = '<tool_call> { "arguments": {"b": 2, "a": 1}, "name": "add" }\n</tool_call>'
    assert accepts(forced(HERMES, SPACED), text)
    assert not accepts(forced(HERMES, COMPACT), text)


def test_marks_may_be_special_tokens() -> None:
    mark, closing = special_token(b"<tool_call>"), special_token(b"</tool_call>")
    text = mark + b'{"name":"add","arguments":{"a":1}}' + closing
    assert accepts(forced(HERMES), text)
    assert accepts(free(HERMES), b"So. " + text + b" Done." + text)
    assert not accepts(free(HERMES), b"So. " + mark + b" Done.")


def test_named_calls_may_leave_out_what_tells_their_parts_apart() -> None:
    for between in ("", "[ARGS]", "[CALL_ID]a1[ARGS]"):
        text = "[TOOL_CALLS]add" + between + '{"a": 1}'
        assert accepts(free(NAMED), text + text)
        assert not begins(free(NAMED), text.replace("add", "sub"))
    assert not begins(free(NAMED), "[TOOL_CALLS]add[CALL_ID]a1{")


def test_free_text_ends_where_a_call_begins() -> None:
    hermes = free(HERMES)
    for text in ("", "Hi <tool_cal", "a" + call("add", a=1) + "b" + call('say "hi"') + "c"):
        assert accepts(hermes, text)
    for text in (
        "<tool_call>Hi",
        call("sub"),
        call("add", a="x"),
        call("add", a=1) + "<tool_call>]",
    ):
        assert not begins(hermes, text)


def test_one_call_at_most_where_they_are_not_parallel() -> None:
    hermes = free(HERMES, options=SINGLE)
    assert accepts(hermes, "So. " + call("add", a=1) + " Done.")
    assert not begins(hermes, call("add", a=1) + " <tool_call>")


def test_calls_in_thoughts_are_none() -> None:
    thought = "<think> <tool_call>no</tool_call> </think>"
    before = free(HERMES, FreeReply("reply", TAGS))
    assert accepts(before, thought + call("add", a=1))
    assert not begins(before, thought + call("add", a="x"))
    assert not begins(before, "No, <think> <tool_call>no")
    inside = free(HERMES, FreeReply("thoughts", TAGS))
    assert accepts(inside, thought.removeprefix("<think>") + "So.")
    assert not begins(inside, "</think><tool_call>no")


def test_object_without_a_mark_is_a_call_from_where_its_arguments_begin() -> None:
    bare = free(BARE)
    for text in ('{"name": "add", "age": 1}', '{"name": "sub", "arguments": {}}', '{"a": {}}'):
        assert accepts(bare, text)
    for start in ("", "Hi.\n  ", '{"name": "add", "arguments": {"a": 1}}; '):
        assert accepts(bare, start + '{"type": "x", "name": "add", "arguments": {"a": 1}} Hi')
        assert not begins(bare, start + '{"type": "x", "name": "add", "arguments": {"a": "')
    assert accepts(bare, 'Say {"name": "add", "arguments": "a"}')


def test_name_comes_before_the_arguments_where_no_mark_does() -> None:
    assert accepts(forced(BARE, SPACED), '{"type": "x", "name": "add", "arguments": {"a": 1}}')
    assert not begins(forced(BARE, SPACED), '{"arguments"')


def test_bad_schema_is_refused_with_its_place() -> None:
    for compiled in (
        lambda: compile_calls((TOOLS[0], BAD), HERMES, COMPACT),
        lambda: compile_reply((TOOLS[0], BAD), HERMES, COMPACT, FreeReply()),
    ):
        with pytest.raises(GrammarError) as caught:
            compiled()
        assert caught.value.tool == 1
        assert (caught.value.pointer or "").startswith("/properties/x")


def test_tool_that_is_not_strict_takes_any_object_where_its_schema_is_bad() -> None:
    lenient = msgspec.structs.replace(BAD, is_strict=False)
    program, loosened = compile_reply((TOOLS[0], lenient), HERMES, SPACED, FreeReply())
    assert loosened == (1,)
    assert accepts(program, call("bad", x=[1]))
    assert not begins(program, '<tool_call>{"name": "bad", "arguments": 1')
    assert not accepts(program, call("add", a="x"))


def test_tool_that_nothing_can_be_given_to_is_refused() -> None:
    with pytest.raises(GrammarError, match="nothing fulfils it") as caught:
        compile_calls((TOOLS[0], Tool("never", False)), HERMES, COMPACT)
    assert caught.value.tool == 1


def test_calls_are_specs_as_any_other() -> None:
    options = SchemaOptions("any", "free")
    only = ToolCalls(TOOLS, HERMES, options)
    reply = ReplyWithCalls(TOOLS, HERMES, FreeReply("reply", TAGS), options)
    assert compile_spec(only) == forced(HERMES, SPACED)
    assert compile_loosely(reply).program == free(HERMES, FreeReply("reply", TAGS))
    for spec in (only, reply):
        assert msgspec.json.decode(msgspec.json.encode(spec), type=GrammarSpec) == spec
    program = compile_spec(reply)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(program), type=Program) == program
    assert len({spec_key(spec) for spec in (only, reply, ToolCalls(TOOLS[:1], HERMES))}) == 3
